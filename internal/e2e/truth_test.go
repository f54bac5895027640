package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
)

// The truth is what the database says of itself through a slot of its own, and
// a plain model of whose a row is. None of it is the product's code.

// fact is what one change was to one organization.
type fact struct {
	lsn      uint64 // of the commit
	ordinal  uint64 // of the change in its transaction
	millis   int64
	organ    string
	typ      string // of the event, or "reset"
	id       string
	op       string
	text     string // the new description, content or name, if there is one
	optional bool   // of a child in the transaction that moves its parent: both organizations refetch
}

func (f fact) String() string {
	return fmt.Sprintf("%x/%d %s %s %s %s %q", f.lsn, f.ordinal, f.organ, f.typ, f.id, f.op, f.text)
}

// truth is what all of them should have seen.
type truth struct {
	facts                  []fact
	transactions           int
	changes, children      int
	withheld               int // changes that are nobody's: their parents disagree
	properties, clients    map[string]string
	lastLSN                uint64
	relations              map[uint32]*pglogrepl.RelationMessage
	propertyMoves, rowMove int
}

// readTruth reads all that was committed since the slot was made. properties and
// clients say whose they were then.
func readTruth(ctx context.Context, t testing.TB, conn *pgx.Conn, slot, publication string, properties, clients map[string]string) *truth {
	t.Helper()
	tr := &truth{properties: properties, clients: clients, relations: map[uint32]*pglogrepl.RelationMessage{}}
	rows, err := conn.Query(ctx, `SELECT data FROM pg_logical_slot_get_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', $2, 'messages', 'true')`, slot, publication)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var begin *pglogrepl.BeginMessage
	var tx []pglogrepl.Message
	for rows.Next() {
		var data []byte
		if err := rows.Scan(&data); err != nil {
			t.Fatal(err)
		}
		m, err := pglogrepl.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		switch m := m.(type) {
		case *pglogrepl.BeginMessage:
			begin, tx = m, tx[:0]
		case *pglogrepl.RelationMessage:
			tr.relations[m.RelationID] = m
		case *pglogrepl.TypeMessage:
		case *pglogrepl.CommitMessage:
			tr.commit(t, begin, tx)
		default:
			tx = append(tx, m)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return tr
}

type row map[string]string // a null is not there

func (tr *truth) row(relation uint32, tuple *pglogrepl.TupleData) row {
	if tuple == nil {
		return nil
	}
	r := row{}
	for i, c := range tuple.Columns {
		if c.DataType == pglogrepl.TupleDataTypeText {
			r[tr.relations[relation].Columns[i].Name] = string(c.Data)
		}
	}
	return r
}

// commit adds one transaction.
func (tr *truth) commit(t testing.TB, begin *pglogrepl.BeginMessage, changes []pglogrepl.Message) {
	t.Helper()
	type change struct {
		table    string
		old, now row
	}
	var list []change
	for _, m := range changes {
		var c change
		switch m := m.(type) {
		case *pglogrepl.InsertMessage:
			c = change{tr.relations[m.RelationID].RelationName, nil, tr.row(m.RelationID, m.Tuple)}
		case *pglogrepl.UpdateMessage:
			c = change{tr.relations[m.RelationID].RelationName, tr.row(m.RelationID, m.OldTuple), tr.row(m.RelationID, m.NewTuple)}
		case *pglogrepl.DeleteMessage:
			c = change{tr.relations[m.RelationID].RelationName, tr.row(m.RelationID, m.OldTuple), nil}
		case *pglogrepl.LogicalDecodingMessage:
			// Before a 403 orgcast has everything flushed, by a transaction of its
			// own. The writers send none.
			if m.Prefix != "orgcast.flush" || len(changes) != 1 {
				t.Fatalf("a message %q among %d changes", m.Prefix, len(changes))
			}
			continue
		default:
			t.Fatalf("the truth has no model of a %T", m)
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return
	}
	tr.transactions++
	tr.changes += len(list)
	tr.lastLSN = uint64(begin.FinalLSN)

	// Whose parents are is as the commit leaves it; of those that it deletes, as
	// it was.
	parents := map[string]map[string]string{"properties": tr.properties, "clients": tr.clients}
	moved := map[string]string{} // properties, and whose they were
	for _, c := range list {
		known, isParent := parents[c.table]
		if !isParent || c.now == nil {
			continue
		}
		if c.old != nil && c.old["organizationId"] != c.now["organizationId"] {
			moved[c.now["id"]] = c.old["organizationId"]
		}
		known[c.now["id"]] = c.now["organizationId"]
	}
	noteOf := func(n row) string {
		owner := ""
		for column, known := range map[string]map[string]string{"propertyId": tr.properties, "clientId": tr.clients} {
			parent, ok := n[column]
			if !ok {
				continue
			}
			o := known[parent]
			if o == "" || owner != "" && owner != o {
				return ""
			}
			owner = o
		}
		return owner
	}
	for i, c := range list {
		say := func(organ, typ, op string, r row) {
			tr.facts = append(tr.facts, fact{
				lsn: uint64(begin.FinalLSN), ordinal: uint64(i), millis: begin.CommitTime.UnixMilli(),
				organ: organ, typ: typ, op: op, id: r["id"], text: r["description"] + r["content"] + r["name"],
				optional: c.table == "notes" && moved[r["propertyId"]] != "",
			})
		}
		tell := func(typ, before, after string) {
			switch {
			case c.old == nil:
				say(after, typ, "create", c.now)
			case c.now == nil:
				say(before, typ, "delete", row{"id": c.old["id"], "propertyId": c.old["propertyId"]})
			case before != after:
				say(before, typ, "delete", row{"id": c.old["id"], "propertyId": c.old["propertyId"]})
				say(after, typ, "create", c.now)
			default:
				say(after, typ, "update", c.now)
			}
		}
		switch c.table {
		case "properties":
			before, after := c.old["organizationId"], c.now["organizationId"]
			tell("property.update", before, after)
			if before != "" && after != "" && before != after {
				tr.propertyMoves++
				say(before, "reset", "", row{})
				say(after, "reset", "", row{})
			}
		case "notes":
			tr.children++
			var before, after string
			if c.old != nil {
				before = noteOf(c.old)
			}
			if c.now != nil {
				after = noteOf(c.now)
			}
			if c.old != nil && before == "" || c.now != nil && after == "" {
				tr.withheld++
				continue
			}
			if before != "" && after != "" && before != after {
				tr.rowMove++
			}
			if was := moved[c.old["propertyId"]]; was != "" {
				// Both are to refetch. To whom it was the note may be gone, to whom it
				// is now it may be new.
				say(was, "data.sync", "delete", row{"id": c.old["id"], "propertyId": c.old["propertyId"]})
			}
			tell("data.sync", before, after)
		case "organization_members":
			switch {
			case c.old == nil:
				say(c.now["organizationId"], "member.join", "", row{"id": c.now["id"]})
			case c.now == nil:
				say(c.old["organizationId"], "member.leave", "", row{"id": c.old["id"]})
			default:
				t.Fatal("the truth has no model of a changed member")
			}
		case "clients":
			before, after := c.old["organizationId"], c.now["organizationId"]
			if before != "" && after != "" && before != after {
				t.Fatal("the truth has no model of a client that moves")
			}
			tell("data.sync", before, after)
		case "organizations":
			if c.old != nil && c.now != nil {
				t.Fatal("the truth has no model of a changed organization")
			}
		default:
			t.Fatalf("the truth has no model of table %s", c.table)
		}
	}
	for _, c := range list {
		if known, ok := parents[c.table]; ok && c.now == nil {
			delete(known, c.old["id"])
		}
	}
}

var channelOf = map[string]string{
	"property.update": "property", "data.sync": "organization", "member.join": "organization", "member.leave": "organization",
}

// seenBy is what a client should have seen, in order. upTo, if not "", is the
// membership with whose end it ends.
func (tr *truth) seenBy(c *client, upTo string) (facts []fact) {
	for _, f := range tr.facts {
		if !slices.Contains(c.organizations, f.organ) || f.typ != "reset" && c.channel != "" && channelOf[f.typ] != c.channel {
			continue
		}
		facts = append(facts, f)
		if upTo != "" && f.typ == "member.leave" && f.id == upTo {
			break
		}
	}
	return facts
}

// says tells how an event differs from a fact, or "".
func (f fact) says(m message) string {
	text := ""
	if m.Payload.Data != nil {
		text = m.Payload.Data.Content + m.Payload.Data.Name
	}
	if d, ok := m.Payload.Changes["description"]; ok {
		text, _ = d.New.(string)
	}
	seen := fact{
		lsn: uint64(m.place.LSN), ordinal: m.place.Index / 8, millis: m.Timestamp, organ: m.OrganizationID, typ: m.Type,
		id: m.Payload.PropertyID + m.Payload.EntityID + m.Payload.MemberID, op: m.Payload.Operation, text: text, optional: f.optional,
	}
	if m.Type == "reset" {
		seen.organ, seen.millis = f.organ, f.millis // a reset says neither
	}
	if f.optional && f.op == "update" && seen.op == "create" {
		seen.op = f.op
	}
	if f.typ == "property.update" && f.op == "update" && text == "" {
		seen.text = f.text // only what changed is told
	}
	if seen == f {
		return ""
	}
	return fmt.Sprintf("want %v at %d\n got %v at %d", f, f.millis, seen, seen.millis)
}

// compare holds a client's history against what it should have seen, and says
// the first difference.
func compare(want []fact, got []message) string {
	i := 0
	for n, m := range got {
		for i < len(want) && want[i].says(m) != "" && want[i].optional {
			i++
		}
		if i == len(want) {
			return fmt.Sprintf("event %d of %d is one too many: %s %s of %s, cursor %v", n, len(got), m.Type, m.ID, m.OrganizationID, m.place)
		}
		if difference := want[i].says(m); difference != "" {
			return fmt.Sprintf("event %d of %d, fact %d of %d:\n%s", n, len(got), i, len(want), difference)
		}
		if n > 0 && m.place.Compare(got[n-1].place) <= 0 {
			return fmt.Sprintf("event %d is not after the one before it: %v, %v", n, got[n-1].place, m.place)
		}
		i++
	}
	for i < len(want) && want[i].optional {
		i++
	}
	if i < len(want) {
		return fmt.Sprintf("%d facts are missing, from %v on", len(want)-i, want[i])
	}
	return ""
}
