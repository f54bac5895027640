package pgoutput

import (
	"testing"

	"github.com/jackc/pglogrepl"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/pgoutput/pgoutputtest"
)

// properties is the table of the first application, 15 columns, as its preset
// has it.
var properties = &orgcast.Relation{
	OID: 16500, Schema: "public", Name: "properties", Identity: orgcast.IdentityFull,
	Columns: []orgcast.Column{
		{Name: "id", TypeOID: 25, TypeMod: -1, Key: true},
		{Name: "price", TypeOID: 1700, TypeMod: 786438, Key: true},
		{Name: "bedrooms", TypeOID: 23, TypeMod: -1, Key: true},
		{Name: "bathrooms", TypeOID: 23, TypeMod: -1, Key: true},
		{Name: "size", TypeOID: 1700, TypeMod: 655366, Key: true},
		{Name: "yearBuilt", TypeOID: 23, TypeMod: -1, Key: true},
		{Name: "features", TypeOID: 3802, TypeMod: -1, Key: true},
		{Name: "description", TypeOID: 25, TypeMod: -1, Key: true},
		{Name: "created_at", TypeOID: 1114, TypeMod: 3, Key: true},
		{Name: "updated_at", TypeOID: 1114, TypeMod: 3, Key: true},
		{Name: "organizationId", TypeOID: 25, TypeMod: -1, Key: true},
		{Name: "createdBy", TypeOID: 25, TypeMod: -1, Key: true},
		{Name: "propertyType", TypeOID: 16386, TypeMod: -1, Key: true},
		{Name: "status", TypeOID: 16392, TypeMod: -1, Key: true},
		{Name: "transactionType", TypeOID: 16398, TypeMod: -1, Key: true},
	},
}

var property = row{
	"cmi2x7k0v0001l108h3q9b7ze", "425000.00", "3", "2", "118.50", "1998",
	`{"parking": true, "heating": "autonomous", "floor": 4, "tags": ["sea view", "renovated"]}`,
	"Bright third-floor apartment, five minutes from the metro, renovated in 2021 with new wiring and windows.",
	"2025-11-23 07:20:00.123", "2025-11-23 07:21:14.5", "cmi2x7k0v0000l108org0acme0", "cmi2x7k0v0009l108usr0anna0",
	"APARTMENT", "AVAILABLE", "SALE",
}

func propertyChange() map[string][]byte {
	updated := append(row{}, property...)
	updated[1], updated[7], updated[9] = "419000.00", pgoutputtest.Unchanged, "2025-11-23 09:02:51.007"
	return map[string][]byte{
		"insert":      pgoutputtest.Insert(properties, property),
		"full_update": pgoutputtest.Update(properties, updated, property),
		"full_delete": pgoutputtest.Delete(properties, property),
		"message":     pgoutputtest.Message(true, 1, "orgcast.actor", `{"userId":"u1"}`),
		"truncate":    pgoutputtest.Truncate(properties, clients),
	}
}

func TestDecodeAllocatesNothingForAChange(t *testing.T) {
	d := begun(t)
	feed(t, d, pgoutputtest.Relation(properties))
	for name, frame := range propertyChange() {
		// Once before, so that what is reused has its size.
		feed(t, d, frame)
		allocs := testing.AllocsPerRun(100, func() {
			if _, err := d.Decode(frame); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
	begin, commit := pgoutputtest.Begin(tx), pgoutputtest.Commit(tx)
	feed(t, d, commit)
	allocs := testing.AllocsPerRun(100, func() { feed(t, d, begin, commit) })
	if allocs != 0 {
		t.Errorf("begin and commit: %v allocations", allocs)
	}
}

func BenchmarkDecode(b *testing.B) {
	changes := propertyChange()
	for _, name := range []string{"insert", "full_update"} {
		frame := changes[name]
		b.Run(name+"/orgcast", func(b *testing.B) {
			d := begun(b)
			feed(b, d, pgoutputtest.Relation(properties))
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Decode(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/pglogrepl", func(b *testing.B) {
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := pglogrepl.Parse(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
