package feed

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
	"github.com/oikion/orgcast/internal/route"
)

// wayOf is one way from a table's rows to their organization: a column that holds
// it or, if parent is not empty, the key of a row of that table.
type wayOf struct{ column, parent string }

// tenantTable is one table of an application that the test draws.
type tenantTable struct {
	name     string
	ways     []wayOf
	told     bool
	nullable bool
	identity orgcast.ReplicaIdentity
}

// application is a schema at random, with the rules for it. Its tables lie in an
// order in which no parent comes after its children.
type application struct {
	tables   []tenantTable
	foreign  string // "", or what becomes of a foreign key that does not hold
	onDelete string
}

// drawApplication draws one whose tables have an identity, or each another.
func drawApplication(t *rapid.T, identity orgcast.ReplicaIdentity) *application {
	a := &application{
		foreign:  rapid.SampledFrom([]string{"", "NOT DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED", "DEFERRABLE INITIALLY DEFERRED"}).Draw(t, "foreign keys"),
		onDelete: rapid.SampledFrom([]string{"CASCADE", "CASCADE", "SET NULL", "NO ACTION"}).Draw(t, "on delete"),
	}
	nullable := rapid.Bool().Draw(t, "nullable")
	note, task := []wayOf{{"p", "p"}, {"c", "c"}}, []wayOf{{"org", ""}, {"p", "p"}}
	if rapid.Bool().Draw(t, "a long way") {
		note[0], task[1] = wayOf{"l", "l"}, wayOf{"l", "l"}
	}
	a.tables = []tenantTable{
		{name: "p", ways: []wayOf{{"org", ""}}, told: true, nullable: nullable},
		{name: "c", ways: []wayOf{{"org", ""}}, told: rapid.Bool().Draw(t, "c is told"), nullable: nullable},
		{name: "l", ways: []wayOf{{"p", "p"}}, told: rapid.Bool().Draw(t, "l is told")},
		{name: "f", ways: []wayOf{{"l", "l"}}, told: true},
		{name: "n", ways: note, told: true, nullable: true},
		{name: "t", ways: task, told: true, nullable: true},
	}
	for i := range a.tables {
		if a.tables[i].identity = identity; identity == 0 {
			a.tables[i].identity = rapid.SampledFrom([]orgcast.ReplicaIdentity{
				orgcast.IdentityFull, orgcast.IdentityFull, orgcast.IdentityDefault, orgcast.IdentityIndex, orgcast.IdentityNothing,
			}).Draw(t, "identity of "+a.tables[i].name)
		}
	}
	return a
}

func (a *application) table(name string) *tenantTable {
	for i := range a.tables {
		if a.tables[i].name == name {
			return &a.tables[i]
		}
	}
	return nil
}

func (a *application) isParent(name string) bool {
	for _, t := range a.tables {
		for _, w := range t.ways {
			if w.parent == name {
				return true
			}
		}
	}
	return false
}

// inIdentity are the columns that an index of the table's identity has: its ways,
// if they can't be null, and the key.
func (t *tenantTable) inIdentity() (columns []string) {
	for _, w := range t.ways {
		if !t.nullable {
			columns = append(columns, w.column)
		}
	}
	return append(columns, "id")
}

// ddl makes the tables, each with its token, v, and what keeps the history.
func (a *application) ddl() string {
	var s strings.Builder
	s.WriteString("DROP SCHEMA IF EXISTS app CASCADE; CREATE SCHEMA app;\n")
	for _, t := range a.tables {
		fmt.Fprintf(&s, "CREATE TABLE app.%s (id text PRIMARY KEY, v text NOT NULL", t.name)
		for _, w := range t.ways {
			fmt.Fprintf(&s, ", %s text", w.column)
			if !t.nullable {
				s.WriteString(" NOT NULL")
			}
			if w.parent != "" && a.foreign != "" {
				onDelete := a.onDelete
				if onDelete == "SET NULL" && !t.nullable {
					onDelete = "CASCADE"
				}
				fmt.Fprintf(&s, " REFERENCES app.%s ON DELETE %s ON UPDATE CASCADE %s", w.parent, onDelete, a.foreign)
			}
		}
		s.WriteString(");\n")
		switch t.identity {
		case orgcast.IdentityFull:
			fmt.Fprintf(&s, "ALTER TABLE app.%s REPLICA IDENTITY FULL;\n", t.name)
		case orgcast.IdentityNothing:
			fmt.Fprintf(&s, "ALTER TABLE app.%s REPLICA IDENTITY NOTHING;\n", t.name)
		case orgcast.IdentityIndex:
			fmt.Fprintf(&s, "CREATE UNIQUE INDEX %[1]s_identity ON app.%[1]s (%[2]s); ALTER TABLE app.%[1]s REPLICA IDENTITY USING INDEX %[1]s_identity;\n", t.name, strings.Join(t.inIdentity(), ", "))
		}
		fmt.Fprintf(&s, "CREATE TRIGGER history BEFORE INSERT OR UPDATE OR DELETE ON app.%s FOR EACH ROW EXECUTE FUNCTION oracle.remember();\n", t.name)
		for _, w := range t.ways {
			fmt.Fprintf(&s, "INSERT INTO oracle.ways (tbl, col, parent) VALUES ('%s', '%s', '%s');\n", t.name, w.column, w.parent)
		}
	}
	return s.String()
}

// rules is the rule file for it.
func (a *application) rules() string {
	var s strings.Builder
	s.WriteString("version: 1\nschema: app\norganizations: {table: public.organizations, id: id, name: name}\n" +
		"membership: {table: public.members, id: id, user: user, organization: organization, role: role}\ntables:\n")
	for _, t := range a.tables {
		fmt.Fprintf(&s, "  %s:\n    tenant: [", t.name)
		for i, w := range t.ways {
			if i > 0 {
				s.WriteString(", ")
			}
			if w.parent == "" {
				s.WriteString(w.column)
			} else {
				fmt.Fprintf(&s, "{%s: %s}", w.column, w.parent)
			}
		}
		s.WriteString("]\n")
		if t.told {
			fmt.Fprintf(&s, "    event: data.sync\n    entity: %s\n    columns: [id, v]\n", t.name)
		}
	}
	return s.String()
}

// tenants is an application with a feed on its slot, and with the oracle.
type tenants struct {
	*application
	t        *rapid.T
	conn     *pgx.Conn // of the application
	slot     *pgx.Conn // its settings are those that the server pins
	feed     *Feed
	router   *route.Router
	witness  *witness
	withheld []route.Reason // of the transaction at hand
	changes  int            // in it, as the feed counts
}

func (a *tenants) exec(sql string, args ...any) {
	a.t.Helper()
	if err := a.try(sql, args...); err != nil {
		a.t.Fatalf("%v\nin %.500s", err, sql)
	}
}

func (a *tenants) try(sql string, args ...any) error {
	if len(args) > 0 {
		_, err := a.conn.Exec(context.Background(), sql, args...)
		return err
	}
	_, err := a.conn.PgConn().Exec(context.Background(), sql).ReadAll()
	return err
}

// replay reads the slot to its end through the feed. It gives the events of the
// transactions that were committed since.
func (a *tenants) replay() []orgcast.Event {
	a.t.Helper()
	a.withheld, a.changes, a.witness.events = nil, 0, nil
	a.read(func(frame []byte) error { return a.feed.Frame(0, frame) })
	return a.witness.events
}

// read reads the slot to its end.
func (a *tenants) read(take func(frame []byte) error) {
	a.t.Helper()
	rows, err := a.slot.Query(context.Background(), `SELECT data FROM pg_logical_slot_get_binary_changes('whose', NULL, NULL, 'proto_version', '1', 'publication_names', 'whose', 'messages', 'true')`)
	if err != nil {
		a.t.Fatal(err)
	}
	var frame []byte
	if _, err := pgx.ForEachRow(rows, []any{&frame}, func() error { return take(frame) }); err != nil {
		a.t.Fatal(err)
	}
}

// snapshot begins the feed behind all that was written.
func (a *tenants) snapshot() {
	a.t.Helper()
	a.read(func([]byte) error { return nil })
	for _, s := range a.router.Snapshots() {
		if s.Table.Schema != "app" {
			continue
		}
		rows := a.conn.PgConn().ExecParams(context.Background(), "SELECT "+strings.Join(s.Columns, ", ")+" FROM "+s.Table.String(), nil, nil, nil, nil)
		for rows.NextRow() {
			state, err := s.State(rows.Values())
			if err == nil {
				err = a.router.Load(state.Space, state.Key, state.Value)
			}
			if err != nil {
				a.t.Fatal(err)
			}
		}
		if _, err := rows.Close(); err != nil {
			a.t.Fatal(err)
		}
	}
	if err := a.feed.Begin(eventlogtest.Epoch); err != nil {
		a.t.Fatal(err)
	}
}

// beginTenants makes an application, and a feed that is yet to begin.
func beginTenants(tb testing.TB, t *rapid.T, identity orgcast.ReplicaIdentity, log *eventlog.Log, conn, slot *pgx.Conn) *tenants {
	a := &tenants{application: drawApplication(t, identity), t: t, conn: conn, slot: slot}
	parsed, err := route.ParseRules([]byte(a.rules()))
	if err != nil {
		t.Fatalf("%v\n%s", err, a.rules())
	}
	a.exec("ROLLBACK") // what a check left that failed
	a.exec("TRUNCATE oracle.ways, oracle.history, oracle.before, oracle.after; " + a.ddl())
	a.witness = &witness{Log: log}
	a.router = route.New(parsed, a.witness, route.Hooks{Withheld: func(_ string, r route.Reason) { a.withheld = append(a.withheld, r) }})
	a.feed = New(a.router, a.witness, a.witness, a.witness, func(orgcast.LSN) {}, tb.TempDir(), Hooks{
		Committed: func(_ orgcast.Transaction, changes, _ int) { a.changes += changes },
	})
	return a
}
