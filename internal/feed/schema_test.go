package feed

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
	"github.com/oikion/orgcast/internal/pgtest"
	"github.com/oikion/orgcast/internal/route"
)

const schemaRules = `
version: 1
schema: app
organizations: {table: public.organizations, id: id, name: name}
membership: {table: public.members, id: id, user: user, organization: organization, role: role}
tables:
  items: {event: data.sync, entity: item, tenant: [org], columns: [id, name, note]}
  parts: {event: data.sync, entity: part, tenant: [{item: items}], columns: [id]}
`

const schemaTables = `
DROP SCHEMA IF EXISTS app CASCADE;
CREATE SCHEMA app;
CREATE TABLE app.items (id text PRIMARY KEY, org text NOT NULL, name text, note text);
CREATE TABLE app.parts (id text PRIMARY KEY, item text);
ALTER TABLE app.items REPLICA IDENTITY FULL;
ALTER TABLE app.parts REPLICA IDENTITY FULL;
ALTER PUBLICATION schema SET TABLE app.items, app.parts;
`

// itemsAnew is the same table, as a migration makes it that drops it before.
const itemsAnew = `
CREATE TABLE app.items (id text PRIMARY KEY, org text NOT NULL, name text, note text);
ALTER TABLE app.items REPLICA IDENTITY FULL;
ALTER PUBLICATION schema ADD TABLE app.items;
`

// partitioned takes its place.
const partitioned = `
DROP TABLE app.items;
CREATE TABLE app.items (id text, org text NOT NULL, name text, note text, PRIMARY KEY (id, org)) PARTITION BY LIST (org);
CREATE TABLE app.items_a PARTITION OF app.items FOR VALUES IN ('a');
CREATE TABLE app.items_b PARTITION OF app.items FOR VALUES IN ('b');
ALTER TABLE app.items REPLICA IDENTITY FULL;
ALTER TABLE app.items_a REPLICA IDENTITY FULL;
ALTER TABLE app.items_b REPLICA IDENTITY FULL;
ALTER PUBLICATION schema ADD TABLE app.items;
`

// TestATableThatChangesMidStream: what a migration does to a table while the slot
// is read, in a transaction with rows or between them. The frames are PostgreSQL's.
func TestATableThatChangesMidStream(t *testing.T) {
	db := pgtest.Database(t, `CREATE PUBLICATION schema WITH (publish_via_partition_root)`)
	conn := db.Conn(t)
	slot := db.ConnURL(t, db.URL+"&options=-c%20datestyle%3DISO%20-c%20timezone%3DUTC")
	db.Exec(t, `SELECT pg_create_logical_replication_slot('schema', 'pgoutput')`)
	long := strings.Repeat("x", 3000)
	for _, c := range []struct {
		name   string
		before string // besides the tables, before the feed begins
		sql    string
		want   []string
	}{
		{"a column comes", ``, `
			INSERT INTO app.items VALUES ('1', 'a', 'one', 'x');
			ALTER TABLE app.items ADD COLUMN extra text DEFAULT 'hidden';
			UPDATE app.items SET name = 'two', extra = 'hidden too';
			UPDATE app.items SET extra = 'hidden still'`, []string{
			`a {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"one","note":"x"}}`,
			`a {"entityType":"item","entityId":"1","operation":"update","data":{"id":"1","name":"two","note":"x"}}`}},
		{"a column comes in the midst of a transaction", ``, `
			BEGIN; INSERT INTO app.items VALUES ('1', 'a', 'one', 'x');
			ALTER TABLE app.items ADD COLUMN extra text DEFAULT 'hidden' NOT NULL;
			UPDATE app.items SET name = 'two';
			INSERT INTO app.parts VALUES ('p', '1'); COMMIT`, []string{
			`a {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"one","note":"x"}}`,
			`a {"entityType":"item","entityId":"1","operation":"update","data":{"id":"1","name":"two","note":"x"}}`,
			`a {"entityType":"part","entityId":"p","operation":"create","data":{"id":"p"}}`}},
		{"a column is renamed", ``, `
			INSERT INTO app.items VALUES ('1', 'a', 'one', 'x');
			BEGIN; UPDATE app.items SET name = 'two';
			ALTER TABLE app.items RENAME COLUMN name TO title;
			UPDATE app.items SET title = 'hidden'; UPDATE app.items SET note = 'y'; COMMIT`, []string{
			`a {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"one","note":"x"}}`,
			`missing app.items name`,
			`a {"entityType":"item","entityId":"1","operation":"update","data":{"id":"1","name":"two","note":"x"}}`,
			`a {"entityType":"item","entityId":"1","operation":"update","data":{"id":"1","note":"y"},"unchanged":["name"]}`}},
		{"two columns change their names", ``, `
			INSERT INTO app.items VALUES ('1', 'a', 'one', 'x');
			ALTER TABLE app.items RENAME COLUMN name TO tmp; ALTER TABLE app.items RENAME COLUMN note TO name; ALTER TABLE app.items RENAME COLUMN tmp TO note;
			UPDATE app.items SET note = 'two'`, []string{
			`a {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"one","note":"x"}}`,
			`a {"entityType":"item","entityId":"1","operation":"update","data":{"id":"1","name":"x","note":"two"}}`}},
		{"a column is dropped, and comes back as another type", ``, `
			INSERT INTO app.items VALUES ('1', 'a', 'one', 'x');
			ALTER TABLE app.items DROP COLUMN name;
			UPDATE app.items SET note = 'y';
			ALTER TABLE app.items ADD COLUMN name numeric;
			UPDATE app.items SET name = 1.50`, []string{
			`a {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"one","note":"x"}}`,
			`missing app.items name`,
			`a {"entityType":"item","entityId":"1","operation":"update","data":{"id":"1","note":"y"},"unchanged":["name"]}`,
			`a {"entityType":"item","entityId":"1","operation":"update","data":{"id":"1","name":"1.5","note":"y"}}`}},
		{"a column becomes another type", ``, `
			INSERT INTO app.items VALUES ('1', 'a', '17', 'x');
			ALTER TABLE app.items ALTER COLUMN name TYPE int USING name::int;
			UPDATE app.items SET name = 18`, []string{
			`a {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"17","note":"x"}}`,
			`a {"entityType":"item","entityId":"1","operation":"update","data":{"id":"1","name":18,"note":"x"}}`}},
		{"the organization's column is renamed", ``, `
			INSERT INTO app.items VALUES ('1', 'a', 'one', 'x');
			ALTER TABLE app.items RENAME COLUMN org TO owner;
			UPDATE app.items SET name = 'hidden'; INSERT INTO app.parts VALUES ('p', '1');
			ALTER TABLE app.items RENAME COLUMN owner TO org;
			UPDATE app.items SET name = 'two'; INSERT INTO app.parts VALUES ('q', '1')`, []string{
			`a {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"one","note":"x"}}`,
			`missing app.items org`,
			`withheld app.items column_missing`,
			`withheld app.parts tenant_unknown`,
			`a {"entityType":"item","entityId":"1","operation":"update","data":{"id":"1","name":"two","note":"x"}}`,
			`a {"entityType":"part","entityId":"q","operation":"create","data":{"id":"q"}}`}},
		{"the way to a parent is dropped", ``, `
			INSERT INTO app.items VALUES ('1', 'a', 'one', 'x'); INSERT INTO app.parts VALUES ('p', '1');
			ALTER TABLE app.parts DROP COLUMN item; DELETE FROM app.parts`, []string{
			`a {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"one","note":"x"}}`,
			`a {"entityType":"part","entityId":"p","operation":"create","data":{"id":"p"}}`,
			`missing app.parts item`,
			`withheld app.parts column_missing`}},
		{"a generated column takes the place of one", ``, `
			INSERT INTO app.items VALUES ('1', 'a', 'one', 'x');
			ALTER TABLE app.items DROP COLUMN note; ALTER TABLE app.items ADD COLUMN note text GENERATED ALWAYS AS (name || '!') STORED;
			UPDATE app.items SET name = 'two'; INSERT INTO app.items (id, org, name) VALUES ('2', 'a', 'three')`, []string{
			`a {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"one","note":"x"}}`,
			`missing app.items note`,
			`a {"entityType":"item","entityId":"1","operation":"update","data":{"id":"1","name":"two"},"unchanged":["note"]}`,
			`a {"entityType":"item","entityId":"2","operation":"create","data":{"id":"2","name":"three"},"unchanged":["note"]}`}},
		{"the identity goes and comes back", ``, `
			INSERT INTO app.items VALUES ('1', 'a', 'one', 'x');
			ALTER TABLE app.items REPLICA IDENTITY DEFAULT;
			UPDATE app.items SET name = 'hidden';
			ALTER TABLE app.items REPLICA IDENTITY FULL;
			UPDATE app.items SET name = 'two'; DELETE FROM app.items`, []string{
			`a {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"one","note":"x"}}`,
			`withheld app.items no_old_row`,
			`a {"entityType":"item","entityId":"1","operation":"update","data":{"id":"1","name":"two","note":"x"}}`,
			`a {"entityType":"item","entityId":"1","operation":"delete","data":null}`}},
		{"a table is dropped", ``, `
			INSERT INTO app.items VALUES ('1', 'a', 'one', 'x');
			DROP TABLE app.parts; UPDATE app.items SET name = 'two'`, []string{
			`a {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"one","note":"x"}}`,
			`a {"entityType":"item","entityId":"1","operation":"update","data":{"id":"1","name":"two","note":"x"}}`}},
		{"a table is made anew", ``, `INSERT INTO app.items VALUES ('1', 'a', 'one', 'x'); DROP TABLE app.items;` + itemsAnew + `
			INSERT INTO app.items VALUES ('1', 'b', 'hidden', 'x')`, []string{
			`a {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"one","note":"x"}}`,
			`read the WAL: app.items was made anew`}},
		{"a table is renamed", ``, `
			INSERT INTO app.items VALUES ('1', 'a', 'one', 'x');
			ALTER TABLE app.items RENAME TO things; UPDATE app.things SET name = 'hidden'`, []string{
			`a {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"one","note":"x"}}`,
			`read the WAL: app.items was app.things for a while`}},
		{"a table is another's for a while", ``, `
			INSERT INTO app.items VALUES ('1', 'a', 'one', 'x');
			BEGIN; ALTER TABLE app.items RENAME TO things; DELETE FROM app.things; ALTER TABLE app.things RENAME TO items; COMMIT`, []string{
			`a {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"one","note":"x"}}`,
			`read the WAL: app.items was app.things for a while`}},
		{"a table is moved to another schema", ``, `
			CREATE SCHEMA IF NOT EXISTS old; DROP TABLE IF EXISTS old.items; ALTER TABLE app.items SET SCHEMA old; INSERT INTO old.items VALUES ('1', 'a', 'hidden', 'x')`, []string{
			`read the WAL: app.items was old.items for a while`}},
		{"a table is emptied and filled in one transaction", ``, `
			INSERT INTO app.items VALUES ('1', 'a', 'one', 'x'); INSERT INTO app.parts VALUES ('p', '1');
			BEGIN; TRUNCATE app.items, app.parts; INSERT INTO app.items VALUES ('1', 'b', 'two', 'y'); INSERT INTO app.parts VALUES ('p', '1'); COMMIT`, []string{
			`a {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"one","note":"x"}}`,
			`a {"entityType":"part","entityId":"p","operation":"create","data":{"id":"p"}}`,
			`* {"entityType":"item","entityId":"*","operation":"delete","data":null}`,
			`* {"entityType":"part","entityId":"*","operation":"delete","data":null}`,
			`b {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"two","note":"y"}}`,
			`b {"entityType":"part","entityId":"p","operation":"create","data":{"id":"p"}}`}},
		{"rows of partitions, one of which comes later, and a row that changes its own", partitioned, `
			INSERT INTO app.items VALUES ('1', 'a', 'one', 'x');
			UPDATE app.items SET org = 'b', name = 'two';
			CREATE TABLE app.items_aa PARTITION OF app.items FOR VALUES IN ('aa'); ALTER TABLE app.items_aa REPLICA IDENTITY FULL;
			INSERT INTO app.items VALUES ('2', 'aa', 'three', 'x'); INSERT INTO app.parts VALUES ('p', '2');
			ALTER TABLE app.items DETACH PARTITION app.items_b; DELETE FROM app.items_b;
			TRUNCATE app.items`, []string{
			`a {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"one","note":"x"}}`,
			`a {"entityType":"item","entityId":"1","operation":"delete","data":null}`,
			`b {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"two","note":"x"}}`,
			`a reset moved`,
			`b reset moved`,
			`aa {"entityType":"item","entityId":"2","operation":"create","data":{"id":"2","name":"three","note":"x"}}`,
			`aa {"entityType":"part","entityId":"p","operation":"create","data":{"id":"p"}}`,
			`* {"entityType":"item","entityId":"*","operation":"delete","data":null}`}},
		{"a value too large for an event, and left as it is", ``, `
			INSERT INTO app.items VALUES ('1', 'a', 'one', repeat(md5('x'), 4000));
			UPDATE app.items SET note = note || 'y';
			UPDATE app.items SET name = 'two', note = 'z'`, []string{
			`a {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1"}},"truncated":true`,
			`a {"entityType":"item","entityId":"1","operation":"update","data":{"id":"1"}},"truncated":true`,
			`a {"entityType":"item","entityId":"1","operation":"update","data":{"id":"1","name":"two","note":"z"}}`}},
		{"a stored value that is left as it is", ``, `
			ALTER TABLE app.items ALTER COLUMN note SET STORAGE EXTERNAL;
			INSERT INTO app.items VALUES ('1', 'a', 'one', repeat('x', 3000));
			UPDATE app.items SET name = 'two'`, []string{
			`a {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"one","note":"` + long + `"}}`,
			`a {"entityType":"item","entityId":"1","operation":"update","data":{"id":"1","name":"two","note":"` + long + `"}}`}},
		{"a stored value that is not in the identity, and left as it is", `
			ALTER TABLE app.items ALTER COLUMN note SET STORAGE EXTERNAL; CREATE UNIQUE INDEX whose ON app.items (org, id); ALTER TABLE app.items REPLICA IDENTITY USING INDEX whose;`, `
			INSERT INTO app.items VALUES ('1', 'b', 'one', repeat('x', 3000));
			UPDATE app.items SET org = 'a', name = 'two'`, []string{
			`b {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"one","note":"` + long + `"}}`,
			`b {"entityType":"item","entityId":"1","operation":"delete","data":null}`,
			`a {"entityType":"item","entityId":"1","operation":"create","data":{"id":"1","name":"two"},"unchanged":["note"]}`,
			`b reset moved`,
			`a reset moved`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &schemaStream{t: t, conn: conn, slot: slot}
			s.exec(schemaTables + c.before)
			s.read(func([]byte) error { return nil })
			s.begin()
			s.exec(c.sql)
			if got := s.told(); !slices.Equal(got, c.want) {
				t.Errorf("told\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(c.want, "\n\t"))
			}
		})
	}
}

// schemaStream is a feed on a slot of its own database.
type schemaStream struct {
	t          *testing.T
	conn, slot *pgx.Conn
	feed       *Feed
	lines      []string
	witness    *witness
}

func (s *schemaStream) exec(sql string) {
	s.t.Helper()
	// Each statement is a transaction of its own, unless it says BEGIN.
	for _, statement := range strings.Split(sql, ";") {
		if _, err := s.conn.Exec(s.t.Context(), statement); err != nil {
			s.t.Fatalf("%v\nin %s", err, statement)
		}
	}
}

// begin begins the feed, with the tables that there are.
func (s *schemaStream) begin() {
	s.t.Helper()
	rules, err := route.ParseRules([]byte(schemaRules))
	if err != nil {
		s.t.Fatal(err)
	}
	s.witness = &witness{Log: eventlogtest.New(s.t, eventlog.Hooks{})}
	router := route.New(rules, s.witness, route.Hooks{
		Withheld: func(table string, reason route.Reason) {
			s.lines = append(s.lines, "withheld "+table+" "+string(reason))
		},
		ColumnMissing: func(table, column string) { s.lines = append(s.lines, "missing "+table+" "+column) },
	})
	s.feed = New(router, s.witness, s.witness, s.witness, func(orgcast.LSN) {}, s.t.TempDir(), Hooks{})
	rows, err := s.conn.Query(s.t.Context(), `SELECT oid, relnamespace::regnamespace || '.' || relname FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relname IN ('items', 'parts')`)
	if err != nil {
		s.t.Fatal(err)
	}
	names := map[uint32]string{}
	var oid uint32
	var name string
	if _, err := pgx.ForEachRow(rows, []any{&oid, &name}, func() error { names[oid] = name; return nil }); err != nil {
		s.t.Fatal(err)
	}
	s.feed.OnTables(names)
	if err := s.feed.Begin(eventlogtest.Epoch); err != nil {
		s.t.Fatal(err)
	}
}

func (s *schemaStream) read(take func(frame []byte) error) {
	s.t.Helper()
	rows, err := s.slot.Query(s.t.Context(), `SELECT data FROM pg_logical_slot_get_binary_changes('schema', NULL, NULL, 'proto_version', '1', 'publication_names', 'schema')`)
	if err != nil {
		s.t.Fatal(err)
	}
	var frame []byte
	if _, err := pgx.ForEachRow(rows, []any{&frame}, func() error { return take(frame) }); err != nil {
		s.t.Fatal(err)
	}
}

var payload = regexp.MustCompile(`"payload":(.*)}\n\n$`)

// told is what became of the rows, in their order: what was told and to whom, what
// was withheld or missing, and what ends the epoch.
func (s *schemaStream) told() []string {
	s.t.Helper()
	over := false
	s.read(func(frame []byte) error {
		if over {
			return nil
		}
		err := s.feed.Frame(0, frame)
		if remade, ok := errors.AsType[*RemadeError](err); ok {
			over = true
			s.lines = append(s.lines, remade.Error())
			return nil
		}
		for _, e := range s.witness.events {
			line := fmt.Sprintf("%s reset moved", e.Organization)
			if m := payload.FindSubmatch(e.Frame); m != nil {
				line = fmt.Sprintf("%s %s", e.Organization, m[1])
			}
			s.lines = append(s.lines, line)
		}
		s.witness.events = nil
		return err
	})
	return s.lines
}
