package pgoutputtest

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/oikion/orgcast"
)

// Row is a row's values by position: nil is NULL, [Unchanged] a TOAST value
// that PostgreSQL did not send, and a string or []byte the value's text.
type Row []any

type marker byte

// Unchanged stands in a [Row] for a TOAST value that an UPDATE did not touch.
const Unchanged marker = 'u'

// RowOf makes a row of r from values by column name. A column without a value
// is NULL. It panics when a name is no column of r: the row would not be what
// the test says it is.
func RowOf(r *orgcast.Relation, values map[string]any) Row {
	row := make(Row, len(r.Columns))
	used := 0
	for i, c := range r.Columns {
		v, ok := values[c.Name]
		if ok {
			row[i] = v
			used++
		}
	}
	if used != len(values) {
		panic(fmt.Sprintf("pgoutputtest: %d of the %d values are for no column of %s.%s", len(values)-used, len(values), r.Schema, r.Name))
	}
	return row
}

// key is row as PostgreSQL sends it when only its key is known: NULL in every
// other column.
func key(r *orgcast.Relation, row Row) Row {
	k := make(Row, len(row))
	for i, v := range row {
		if i >= len(r.Columns) || r.Columns[i].Key {
			k[i] = v
		}
	}
	return k
}

func appendTuple(b []byte, row Row) []byte {
	if len(row) > math.MaxUint16 {
		panic(fmt.Sprintf("pgoutputtest: a row of %d columns", len(row)))
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(row)))
	for i, value := range row {
		switch v := value.(type) {
		case nil:
			b = append(b, 'n')
		case marker:
			b = append(b, byte(v))
		case string:
			b = append(b, 't')
			b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
			b = append(b, v...)
		case []byte:
			b = append(b, 't')
			b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
			b = append(b, v...)
		default:
			panic(fmt.Sprintf("pgoutputtest: column %d is a %T: give nil, Unchanged, a string or []byte", i, value))
		}
	}
	return b
}
