package setup

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const rolePassword = "s3cret' pass\\word"

// world is the first application's database, whose tables belong to a role
// that is no superuser, with a replica identity of every kind.
type world struct {
	*pgtest.DB
	app string // the application's own role, password "app"
	cfg Config
}

// corners are tables that the application's schema has not: an identity of
// every kind, names that want quoting, partitions, an inheritance child.
const corners = `
	CREATE TABLE by_index (id int NOT NULL, org text NOT NULL); CREATE UNIQUE INDEX by_index_key ON by_index (org, id);
	ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_key;
	CREATE TABLE by_nothing (id int PRIMARY KEY, org text); ALTER TABLE by_nothing REPLICA IDENTITY NOTHING;
	CREATE TABLE by_full (id int, org text); ALTER TABLE by_full REPLICA IDENTITY FULL;
	CREATE TABLE keyless (id int, org text);
	CREATE SCHEMA "Odd ""schema"""; CREATE TABLE "Odd ""schema"""."it's \ odd" (id int, org text);
	CREATE TABLE parted (id int NOT NULL, org text NOT NULL, PRIMARY KEY (org, id)) PARTITION BY LIST (org);
	CREATE TABLE parted_a PARTITION OF parted FOR VALUES IN ('a'); CREATE TABLE parted_b PARTITION OF parted DEFAULT;
	CREATE TABLE inherited_child () INHERITS (keyless);`

func newWorld(t *testing.T) *world {
	t.Helper()
	db := pgtest.Database(t, pgtest.OikionSchema(), corners)
	w := &world{DB: db, app: db.Role("app")}
	db.Exec(t, `CREATE ROLE `+w.app+` LOGIN PASSWORD 'app';
		DO $$ DECLARE c record; BEGIN
			FOR c IN SELECT oid::regclass AS t FROM pg_class WHERE relkind IN ('r', 'p') AND oid >= 16384 LOOP
				EXECUTE format('ALTER TABLE %s OWNER TO `+w.app+`', c.t);
			END LOOP; END $$;
		GRANT USAGE ON SCHEMA "Odd ""schema""" TO `+w.app)
	published := func(names ...string) (tables []Table) {
		for _, n := range names {
			tables = append(tables, Table{Schema: "public", Name: n, Published: true})
		}
		return tables
	}
	w.cfg = Config{
		Publication: "orgcast", Slot: "orgcast_" + db.Name,
		Role: db.Role("reader"), RolePassword: rolePassword,
		Tables: append(published("addresses", "listings", "media_assets", "client_relationships", "interactions", "tasks",
			"notes", "activities", "invitations", "by_index", "by_nothing", "by_full", "keyless", "parted"),
			Table{Schema: `Odd "schema"`, Name: `it's \ odd`, Published: true},
			Table{Schema: "public", Name: "properties", Published: true, Read: true, Columns: []string{"id", "organizationId"}},
			Table{Schema: "public", Name: "clients", Published: true, Read: true},
			Table{Schema: "public", Name: "organizations", Published: true, Read: true, Columns: []string{"id", "name"}},
			Table{Schema: "public", Name: "organization_members", Published: true, Read: true, Membership: true}),
	}
	return w
}

// writes inserts into, updates and deletes from every table of the application.
const writes = `
	INSERT INTO users (id) VALUES ('u'); INSERT INTO organizations (id, name) VALUES ('o', 'O'); INSERT INTO organizations (id, name) VALUES ('o2', 'O');
	INSERT INTO accounts (id, "userId", type, provider, "providerAccountId") VALUES ('a', 'u', 't', 'p', 'x');
	INSERT INTO sessions VALUES ('s', 't', 'u', now()); INSERT INTO verification_tokens VALUES ('i', 't', now());
	INSERT INTO organization_members (id, "userId", "organizationId") VALUES ('m', 'u', 'o');
	INSERT INTO invitations (id, email, role, token, "expiresAt", "organizationId", "invitedBy") VALUES ('i', 'e', 'AGENT', 't', now(), 'o', 'u');
	INSERT INTO properties (id, price, "organizationId", "createdBy", "propertyType", status, "transactionType") VALUES ('p', 1, 'o', 'u', 'HOUSE', 'SOLD', 'SALE');
	INSERT INTO addresses (id, city, "propertyId") VALUES ('a', 'c', 'p'); INSERT INTO listings (id, "listPrice", "propertyId") VALUES ('l', 1, 'p');
	INSERT INTO media_assets (id, url, "propertyId", "assetType") VALUES ('m', 'u', 'p', 'IMAGE');
	INSERT INTO clients (id, name, "organizationId", "createdBy", "clientType") VALUES ('c', 'n', 'o', 'u', 'PERSON'), ('d', 'n', 'o', 'u', 'PERSON');
	INSERT INTO client_relationships (id, "fromClientId", "toClientId", "createdBy") VALUES ('r', 'c', 'd', 'u');
	INSERT INTO interactions (id, summary, timestamp, "clientId", "createdBy", "interactionType") VALUES ('i', 's', now(), 'c', 'u', 'CALL');
	INSERT INTO tasks (id, title, "organizationId", "createdBy") VALUES ('t', 't', 'o', 'u');
	INSERT INTO notes (id, content, "clientId", "createdBy") VALUES ('n', 'c', 'c', 'u');
	INSERT INTO activities (id, "entityId", "organizationId", "actorId", "actionType", "entityType") VALUES ('a', 'e', 'o', 'u', 'NOTE_ADDED', 'CLIENT');
	UPDATE users SET name = 'x'; UPDATE accounts SET type = 'x'; UPDATE sessions SET expires = now(); UPDATE verification_tokens SET token = 'x';
	UPDATE organization_members SET role = 'ADMIN'; UPDATE invitations SET email = 'x'; UPDATE properties SET price = 2; UPDATE addresses SET city = 'x';
	UPDATE listings SET notes = 'x'; UPDATE media_assets SET url = 'x'; UPDATE clients SET name = 'x'; UPDATE client_relationships SET position = 'x';
	UPDATE interactions SET summary = 'x'; UPDATE tasks SET title = 'x'; UPDATE notes SET content = 'x'; UPDATE activities SET "entityId" = 'x';
	DELETE FROM notes; DELETE FROM tasks; DELETE FROM interactions; DELETE FROM client_relationships; DELETE FROM clients; DELETE FROM media_assets;
	DELETE FROM listings; DELETE FROM addresses; DELETE FROM properties; DELETE FROM invitations; DELETE FROM organization_members; DELETE FROM activities;
	DELETE FROM verification_tokens; DELETE FROM sessions; DELETE FROM accounts; UPDATE organizations SET name = 'x'; DELETE FROM organizations; DELETE FROM users;`

// cornerWrites are those on the tables of corners. by_nothing is not among them.
const cornerWrites = `
	INSERT INTO by_index VALUES (1, 'a'); UPDATE by_index SET id = 2; DELETE FROM by_index;
	INSERT INTO by_nothing VALUES (1, 'a'); UPDATE by_nothing SET id = 2; DELETE FROM by_nothing;
	INSERT INTO by_full VALUES (1, 'a'); UPDATE by_full SET id = 2; DELETE FROM by_full;
	INSERT INTO keyless VALUES (1, 'a'); UPDATE keyless SET id = 2; DELETE FROM keyless;
	INSERT INTO inherited_child VALUES (1, 'a'); UPDATE inherited_child SET id = 2; DELETE FROM inherited_child;
	INSERT INTO parted VALUES (1, 'a'), (1, 'b'); UPDATE parted SET id = 2; UPDATE parted SET org = 'c' WHERE org = 'a'; DELETE FROM parted;
	INSERT INTO "Odd ""schema"""."it's \ odd" VALUES (1, 'a'); UPDATE "Odd ""schema"""."it's \ odd" SET id = 2; DELETE FROM "Odd ""schema"""."it's \ odd";`

// write is the application at work; it must never fail.
func (w *world) write(t *testing.T, conn *pgx.Conn, when string) {
	t.Helper()
	if _, err := conn.PgConn().Exec(context.Background(), writes+cornerWrites).ReadAll(); err != nil {
		t.Fatalf("%s the application can't write: %v", when, err)
	}
}

func (w *world) apply(t *testing.T) *Report {
	t.Helper()
	report, err := Apply(t.Context(), w.Conn(t), w.cfg)
	if err != nil {
		t.Fatalf("apply: %v (%s)", err, orgcast.Hint(err))
	}
	return report
}

func (w *world) undo(t *testing.T) *Report {
	t.Helper()
	report, err := Undo(t.Context(), w.Conn(t), w.cfg)
	if err != nil {
		t.Fatalf("undo: %v (%s)", err, orgcast.Hint(err))
	}
	return report
}

// state is all that setup can change, as text; the database's own name is
// replaced so that two of them can be compared.
func (w *world) state(t *testing.T) string {
	t.Helper()
	rows, err := w.Conn(t).Query(t.Context(), `
		SELECT format('identity %s %s %s acl %s', c.oid::regclass, c.relreplident,
			(SELECT i.indexrelid::regclass FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident), coalesce(c.relacl, acldefault('r', c.relowner)))
			FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.oid >= 16384
		UNION ALL SELECT format('schema %s acl %s', nspname, coalesce(nspacl, acldefault('n', nspowner))) FROM pg_namespace WHERE nspname !~ '^pg_'
		UNION ALL SELECT format('database acl %s', coalesce(datacl, acldefault('d', datdba))) FROM pg_database WHERE datname = current_database()
		UNION ALL SELECT format('publication %s %s %s %s %s %s %s %s', pubname, puballtables, pubinsert, pubupdate, pubdelete, pubtruncate,
			pubviaroot, obj_description(oid, 'pg_publication')) FROM pg_publication
		UNION ALL SELECT format('member %s %s', prpubid::text IS NULL, prrelid::regclass) FROM pg_publication_rel
		UNION ALL SELECT format('role %s %s %s %s %s', rolname, rolcanlogin, rolreplication, rolbypassrls, rolsuper) FROM pg_roles WHERE starts_with(rolname, $1)
		UNION ALL SELECT format('slot %s', slot_name) FROM pg_replication_slots WHERE database = current_database()
		ORDER BY 1`, w.Name+"_")
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(strings.Join(lines, "\n"), w.Name, "DB")
}

// differ shows only the lines that differ.
func differ(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	t.Errorf("%s differs", what)
	have := map[string]bool{}
	for l := range strings.SplitSeq(want, "\n") {
		have[l] = true
	}
	for l := range strings.SplitSeq(got, "\n") {
		if !have[l] {
			t.Logf("got:  %s", l)
		}
		delete(have, l)
	}
	for l := range have {
		t.Logf("want: %s", l)
	}
}

func codes(problems []Problem) (out []Code) {
	for _, p := range problems {
		out = append(out, p.Code)
	}
	return out
}

func find(problems []Problem, code Code) *Problem {
	for i := range problems {
		if problems[i].Code == code {
			return &problems[i]
		}
	}
	return nil
}

// wantHinted fails unless err says every one of texts and what to do next.
func wantHinted(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", texts)
	}
	if orgcast.Hint(err) == "" {
		t.Errorf("error %q has no hint", err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q does not say %q", err, text)
		}
	}
	if strings.Contains(err.Error()+orgcast.Hint(err), rolePassword) {
		t.Errorf("error holds the password: %v", err)
	}
}
