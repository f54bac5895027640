package e2e_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// everyTable has a row for every table of the application: how it is made,
// changed and deleted. {} is what makes it unlike the others'.
var everyTable = []struct{ table, insert, set, where string }{
	{"users", `(id, name) VALUES ('u{}', 'x')`, `name = 'y'`, `id = 'u{}'`},
	{"accounts", `(id, "userId", type, provider, "providerAccountId") VALUES ('a{}', 'u{}', 'oauth', 'p', 'a{}')`, `scope = 'y'`, `id = 'a{}'`},
	{"sessions", `(id, "sessionToken", "userId", expires) VALUES ('s{}', 's{}', 'u{}', now())`, `expires = now()`, `id = 's{}'`},
	{"verification_tokens", `(identifier, token, expires) VALUES ('v{}', 'v{}', now())`, `expires = now()`, `token = 'v{}'`},
	{"organizations", `(id, name) VALUES ('o{}', 'x')`, `name = 'y'`, `id = 'o{}'`},
	{"organization_members", `(id, "userId", "organizationId") VALUES ('m{}', 'u{}', 'o{}')`, `role = 'ADMIN'`, `id = 'm{}'`},
	{"invitations", `(id, email, role, token, "expiresAt", "organizationId", "invitedBy") VALUES ('i{}', 'x', 'AGENT', 'i{}', now(), 'o{}', 'u{}')`, `status = 'EXPIRED'`, `id = 'i{}'`},
	{"properties", `(id, price, "organizationId", "createdBy", "propertyType", status, "transactionType") VALUES ('p{}', 1, 'o{}', 'u{}', 'LAND', 'SOLD', 'SALE')`, `price = 2`, `id = 'p{}'`},
	{"addresses", `(id, city, "propertyId") VALUES ('d{}', 'x', 'p{}')`, `city = 'y'`, `id = 'd{}'`},
	{"listings", `(id, "listPrice", "propertyId") VALUES ('l{}', 1, 'p{}')`, `"listPrice" = 2`, `id = 'l{}'`},
	{"media_assets", `(id, url, "propertyId", "assetType") VALUES ('e{}', 'x', 'p{}', 'IMAGE')`, `url = 'y'`, `id = 'e{}'`},
	{"clients", `(id, name, "organizationId", "createdBy", "clientType") VALUES ('c{}', 'x', 'o{}', 'u{}', 'PERSON'), ('k{}', 'x', 'o{}', 'u{}', 'PERSON')`, `name = 'y'`, `id IN ('c{}', 'k{}')`},
	{"client_relationships", `(id, "fromClientId", "toClientId", "createdBy") VALUES ('r{}', 'c{}', 'k{}', 'u{}')`, `position = 'y'`, `id = 'r{}'`},
	{"interactions", `(id, summary, timestamp, "createdBy", "interactionType") VALUES ('n{}', 'x', now(), 'u{}', 'CALL')`, `summary = 'y'`, `id = 'n{}'`},
	{"tasks", `(id, title, "organizationId", "createdBy") VALUES ('t{}', 'x', 'o{}', 'u{}')`, `title = 'y'`, `id = 't{}'`},
	{"notes", `(id, content, "propertyId", "clientId", "createdBy") VALUES ('w{}', 'x', 'p{}', 'c{}', 'u{}')`, `content = 'y'`, `id = 'w{}'`},
	{"activities", `(id, "entityId", "organizationId", "actorId", "actionType", "entityType") VALUES ('y{}', 'p{}', 'o{}', 'u{}', 'NOTE_ADDED', 'PROPERTY')`, `"entityId" = 'y'`, `id = 'y{}'`},
}

// writeEverywhere inserts, updates and deletes in every table.
func writeEverywhere(t testing.TB, conn *pgx.Conn, mark string) {
	t.Helper()
	exec := func(sql string) {
		t.Helper()
		tag, err := conn.Exec(t.Context(), strings.ReplaceAll(sql, "{}", mark))
		if err != nil {
			t.Errorf("%s: %v", mark, err)
		} else if tag.RowsAffected() == 0 {
			t.Errorf("%s: nothing was written by %s", mark, sql)
		}
	}
	for _, e := range everyTable {
		exec(`INSERT INTO ` + e.table + ` ` + e.insert)
	}
	for _, e := range everyTable {
		exec(`UPDATE ` + e.table + ` SET ` + e.set + ` WHERE ` + e.where)
	}
	for i := len(everyTable) - 1; i >= 0; i-- {
		exec(`DELETE FROM ` + everyTable[i].table + ` WHERE ` + everyTable[i].where)
	}
}

// identities is every table's replica identity, and the index of it.
func identities(t testing.TB, conn *pgx.Conn) map[string]string {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
		SELECT c.relname, c.relreplident::text || coalesce(' ' || (SELECT indexrelid::regclass::text FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident), '')
		FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace`)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	var table, identity string
	if _, err := pgx.ForEachRow(rows, []any{&table, &identity}, func() error { all[table] = identity; return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestSetupUndoTheApplicationStillWrites: before, with and without orgcast the
// application writes everywhere, and nothing of orgcast is left.
func TestSetupUndoTheApplicationStillWrites(t *testing.T) {
	h := newHouse(t)
	// Not every table is as Prisma left it.
	h.Exec(t, `ALTER TABLE notes REPLICA IDENTITY USING INDEX notes_pkey; ALTER TABLE clients REPLICA IDENTITY FULL`)
	app := h.Conn(t)
	before := identities(t, app)
	if len(everyTable) != len(before) {
		t.Fatalf("the application has %d tables, the test writes to %d", len(before), len(everyTable))
	}
	writeEverywhere(t, app, "before")
	h.setUp(t)
	writeEverywhere(t, app, "setup")
	h.setUp(t) // a second one changes nothing
	s := serve(t, h.environ, nil)
	s.ready(t)
	writeEverywhere(t, app, "serving")

	environ := maps.Clone(h.environ)
	environ["ORGCAST_SETUP_DATABASE_URL"] = h.URL
	status, text := run(t, environ, "", "setup", "--undo")
	if status == 0 || !strings.Contains(text, "in use by pid") || !strings.Contains(strings.ToLower(text), "stop orgcast") {
		t.Errorf("undo while a server runs: status %d, %s", status, text)
	}
	if why := s.readiness(t); why != "" {
		t.Errorf("the refused undo disturbed the server: %s", why)
	}
	writeEverywhere(t, app, "refused")
	s.terminate(t)
	if status := s.exit(t, 20*time.Second); status != 0 {
		t.Errorf("status %d", status)
	}
	h.setUp(t, "--undo")
	writeEverywhere(t, app, "undone")
	if after := identities(t, app); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("identities after undo:\n%v\nbefore setup:\n%v", after, before)
	}
	var publications, slots, roles int
	err := app.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM pg_publication), (SELECT count(*) FROM pg_replication_slots WHERE database = $1),
		(SELECT count(*) FROM pg_roles WHERE rolname = $2)`, h.Name, h.role).Scan(&publications, &slots, &roles)
	if err != nil || publications+slots+roles != 0 {
		t.Errorf("%d publications, %d slots, %d roles are left, %v", publications, slots, roles, err)
	}
	h.setUp(t, "--undo") // nothing to undo is no error
	h.setUp(t)           // and it can all begin again
	again := serve(t, h.environ, nil)
	again.ready(t)
}
