package truth

import (
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"

	"github.com/oikion/orgcast/internal/verify"
)

// decode takes one message of pgoutput.
func (r *Reader) decode(data []byte, tell func(verify.Transaction)) error {
	m, err := pglogrepl.Parse(data)
	if err != nil {
		return fmt.Errorf("truth: decode: %w", err)
	}
	switch m := m.(type) {
	case *pglogrepl.RelationMessage:
		r.relations[m.RelationID] = relationOf(m)
		return nil
	case *pglogrepl.TypeMessage, *pglogrepl.OriginMessage:
		return nil
	case *pglogrepl.BeginMessage:
		if r.begun != nil {
			return fmt.Errorf("truth: a transaction begins in another")
		}
		r.begun, r.changes = m, nil
		return nil
	case *pglogrepl.LogicalDecodingMessage:
		if !m.Transactional {
			return nil // it is none of any transaction
		}
	}
	if r.begun == nil {
		return fmt.Errorf("truth: a %s outside of a transaction", m.Type())
	}
	if m, ok := m.(*pglogrepl.CommitMessage); ok {
		begun, changes := r.begun, r.changes
		r.begun, r.changes = nil, nil
		// What is not after the last one was told before the connection was lost.
		if lsn := uint64(m.CommitLSN); lsn > r.last {
			r.last = lsn
			tell(verify.Transaction{LSN: lsn, XID: begun.Xid, Committed: m.CommitTime.UTC(), Seen: time.Now(), Changes: changes})
		}
		r.reach(uint64(m.TransactionEndLSN))
		return nil
	}
	c, err := r.change(m)
	if err != nil {
		return fmt.Errorf("truth: %w", err)
	}
	r.changes = append(r.changes, c)
	return nil
}

func relationOf(m *pglogrepl.RelationMessage) relation {
	rel := relation{name: m.RelationName}
	if m.Namespace != "public" {
		rel.name = m.Namespace + "." + m.RelationName
	}
	for _, c := range m.Columns {
		rel.columns = append(rel.columns, strings.Clone(c.Name))
		rel.key = append(rel.key, c.Flags == 1)
	}
	return rel
}

// change is one change of the transaction at hand.
func (r *Reader) change(m pglogrepl.Message) (c verify.Change, err error) {
	var id uint32
	var old, now *pglogrepl.TupleData
	key := false // the old one has the key alone
	switch m := m.(type) {
	case *pglogrepl.LogicalDecodingMessage:
		return verify.Change{Kind: verify.Message, Prefix: m.Prefix, Content: string(m.Content)}, nil
	case *pglogrepl.TruncateMessage:
		c.Kind = verify.Truncate
		for i, id := range m.RelationIDs {
			rel, ok := r.relations[id]
			switch {
			case !ok:
				return c, fmt.Errorf("TRUNCATE of relation %d, which is unknown", id)
			case i == 0:
				c.Table = rel.name
			default:
				c.Also = append(c.Also, rel.name)
			}
		}
		return c, nil
	case *pglogrepl.InsertMessage:
		c.Kind, id, now = verify.Insert, m.RelationID, m.Tuple
	case *pglogrepl.UpdateMessage:
		c.Kind, id, old, now = verify.Update, m.RelationID, m.OldTuple, m.NewTuple
		key = m.OldTupleType == pglogrepl.UpdateMessageTupleTypeKey
	case *pglogrepl.DeleteMessage:
		c.Kind, id, old = verify.Delete, m.RelationID, m.OldTuple
		key = m.OldTupleType == pglogrepl.DeleteMessageTupleTypeKey
	default:
		return c, fmt.Errorf("a %T among the changes", m)
	}
	rel, ok := r.relations[id]
	if !ok {
		return c, fmt.Errorf("a row of relation %d, which is unknown", id)
	}
	c.Table = rel.name
	if c.Old, err = rel.row(old, key); err != nil {
		return c, err
	}
	c.New, err = rel.row(now, false)
	return c, err
}

// row reads a tuple. Of one that has the key alone, the other columns are null on
// the wire, and not known.
func (rel relation) row(t *pglogrepl.TupleData, key bool) (verify.Row, error) {
	if t == nil {
		return nil, nil
	}
	if len(t.Columns) != len(rel.columns) {
		return nil, fmt.Errorf("a row of %s has %d columns of %d", rel.name, len(t.Columns), len(rel.columns))
	}
	row := make(verify.Row, len(rel.columns))
	for i, column := range t.Columns {
		if key && !rel.key[i] {
			continue
		}
		switch column.DataType {
		case pglogrepl.TupleDataTypeText:
			v := string(column.Data)
			row[rel.columns[i]] = &v
		case pglogrepl.TupleDataTypeNull:
			row[rel.columns[i]] = nil
		case pglogrepl.TupleDataTypeToast:
		default:
			return nil, fmt.Errorf("a value of %s is of kind %q", rel.name, column.DataType)
		}
	}
	return row, nil
}
