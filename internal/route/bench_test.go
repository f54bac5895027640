package route

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/pgoutput"
	"github.com/oikion/orgcast/internal/pgoutput/pgoutputtest"
)

// benchRules send all 15 columns of properties, which is also a parent, as in
// the preset.
const benchRules = `
version: 1
organizations: {table: organizations, id: id, name: name}
membership: {table: organization_members, id: id, user: userId, organization: organizationId, role: role}
tables:
  properties:
    event: property.update
    tenant: [organizationId]
    createdBy: createdBy
    columns: [id, price, bedrooms, bathrooms, size, yearBuilt, features, description, created_at: createdAt, updated_at: updatedAt, organizationId, createdBy, propertyType, status, transactionType]
  notes:
    event: data.sync
    entity: note
    tenant: [propertyId: properties]
    columns: [content]
`

var benchProperty = pgoutputtest.Row{
	"cmi2x7k0v0001l108h3q9b7ze", "425000.00", "3", "2", "118.50", "1998",
	`{"parking": true, "heating": "autonomous", "floor": 4, "tags": ["sea view", "renovated"]}`,
	"Bright third-floor apartment, five minutes from the metro, renovated in 2021 with new wiring and windows.",
	"2025-11-23 07:20:00.123", "2025-11-23 07:21:14.5", "cmi2x7k0v0000l108org0acme0", "cmi2x7k0v0009l108usr0anna0",
	"APARTMENT", "AVAILABLE", "SALE",
}

// benchFrames are the INSERT, and the UPDATE of two columns with both versions
// whole.
func benchFrames() map[string][]byte {
	updated := append(pgoutputtest.Row{}, benchProperty...)
	updated[1], updated[9] = "419000.00", "2025-11-23 09:02:51.007"
	return map[string][]byte{
		"insert":      pgoutputtest.Insert(propertiesRelation, benchProperty),
		"full_update": pgoutputtest.Update(propertiesRelation, updated, benchProperty),
	}
}

type benchRoute struct {
	decoder *pgoutput.Decoder
	router  *Router
	out     Output
}

func newBenchRoute(tb testing.TB) *benchRoute {
	tb.Helper()
	rules, err := ParseRules([]byte(benchRules))
	if err != nil {
		tb.Fatal(err)
	}
	b := &benchRoute{decoder: pgoutput.NewDecoder(), router: New(rules, nobody{}, Hooks{})}
	tx := orgcast.Transaction{CommitLSN: 0x16B3748, CommitTime: time.Date(2025, 11, 23, 7, 21, 14, 0, time.UTC), XID: 7}
	b.router.Begin(tx, 1234567)
	for _, frame := range [][]byte{pgoutputtest.Begin(tx), pgoutputtest.Relation(propertiesRelation)} {
		if _, err := b.decoder.Decode(frame); err != nil {
			tb.Fatal(err)
		}
	}
	return b
}

// row decodes and routes one frame to its one finished event.
func (b *benchRoute) row(tb testing.TB, frame []byte) {
	m, err := b.decoder.Decode(frame)
	if err != nil {
		tb.Fatal(err)
	}
	b.out.Reset()
	b.router.Route(m.Change, &b.out)
	if len(b.out.Events) != 1 {
		tb.Fatalf("%d events", len(b.out.Events))
	}
}

// BenchmarkRoute goes from one row's pgoutput frame to its finished Server-Sent
// Event. The same key comes again and again: the index, of which properties are
// a part, stores a key once in its life, and that allocation is not counted.
// Beside it, what is usually done: pglogrepl, a map, encoding/json.
func BenchmarkRoute(b *testing.B) {
	frames := benchFrames()
	for _, name := range []string{"insert", "full_update"} {
		frame := frames[name]
		b.Run(name+"/orgcast", func(b *testing.B) {
			r := newBenchRoute(b)
			b.ReportAllocs()
			for b.Loop() {
				r.row(b, frame)
			}
			b.SetBytes(int64(len(frame)))
		})
		b.Run(name+"/pglogrepl-map-json", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := mapAndJSON(frame); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(frame)))
		})
	}
}

// mapAndJSON sends every column as text, so it does less than the router.
func mapAndJSON(frame []byte) ([]byte, error) {
	m, err := pglogrepl.Parse(frame)
	if err != nil {
		return nil, err
	}
	row := func(tuple *pglogrepl.TupleData) map[string]any {
		values := map[string]any{}
		for i, c := range tuple.Columns {
			if c.DataType == pglogrepl.TupleDataTypeText {
				values[propertiesRelation.Columns[i].Name] = string(c.Data)
			}
		}
		return values
	}
	event := map[string]any{"type": "property.update"}
	switch m := m.(type) {
	case *pglogrepl.InsertMessage:
		event["changes"] = row(m.Tuple)
	case *pglogrepl.UpdateMessage:
		changes := map[string]any{}
		old := row(m.OldTuple)
		for name, value := range row(m.NewTuple) {
			if value != old[name] {
				changes[name] = map[string]any{"new": value, "old": old[name]}
			}
		}
		event["changes"] = changes
	}
	return json.Marshal(event)
}

func TestAKnownRowIsRoutedWithoutAllocation(t *testing.T) {
	for name, frame := range benchFrames() {
		r := newBenchRoute(t)
		r.row(t, frame) // what is reused takes its size, the index its key
		if n := testing.AllocsPerRun(200, func() { r.row(t, frame) }); n != 0 {
			t.Errorf("%s: %v allocations a row", name, n)
		}
	}
}
