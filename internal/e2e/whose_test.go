package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestWhoseARowIs: over the real thing, from SQL to the wire, nobody is told what
// is not his organization's, however a row comes to be whose it is.
func TestWhoseARowIs(t *testing.T) {
	h := newHouse(t)
	h.fill(t, 3)
	h.user(t, "guest")
	for i := 1; i <= 3; i++ {
		h.member(t, "guest", org(i)) // who may see all three, and must not be told either what is nobody's
	}
	h.Exec(t, `UPDATE organization_members SET role = 'ADMIN' WHERE "userId" <> 'guest'`) // so that they may see all that goes from one to the other
	h.setUp(t)
	s := serve(t, h.environ, nil)
	s.ready(t)
	t.Run("ambiguous-tenant-withheld", func(t *testing.T) { testAmbiguousTenant(t, h, s) })
	t.Run("parent-move-race", func(t *testing.T) { testParentMoveRace(t, h, s) })
	t.Run("move-carries-nothing", func(t *testing.T) { testMove(t, h, s) })
	t.Run("pk-squat", func(t *testing.T) { testSquat(t, h, s) })
}

// each opens an ear in each of the first n organizations.
func (s *instance) each(t testing.TB, h *house, n int) (ears []*ear) {
	t.Helper()
	for i := 1; i <= n; i++ {
		ears = append(ears, s.listenAs(t, h, fmt.Sprintf("user_%d", i), org(i)))
	}
	return ears
}

// testAmbiguousTenant: a row whose ways to an organization disagree, or lead
// nowhere, is withheld in every operation, with its reason counted.
func testAmbiguousTenant(t *testing.T, h *house, s *instance) {
	// Nothing holds a child to its parent in many an application.
	t.Cleanup(func() {
		h.Exec(t, `ALTER TABLE notes ADD CONSTRAINT "notes_propertyId_fkey" FOREIGN KEY ("propertyId") REFERENCES properties(id) ON DELETE CASCADE;
			ALTER TABLE tasks ADD CONSTRAINT "tasks_clientId_fkey" FOREIGN KEY ("clientId") REFERENCES clients(id) ON DELETE CASCADE`)
	})
	h.Exec(t, `ALTER TABLE notes DROP CONSTRAINT "notes_propertyId_fkey"; ALTER TABLE tasks DROP CONSTRAINT "tasks_clientId_fkey";
		INSERT INTO organizations (id, name) VALUES ('*', 'All of them'), ('`+strings.Repeat("long", 64)+`', 'Too long')`)
	ears := append(s.each(t, h, 3), s.listenAs(t, h, "guest", "org_1", "org_2", "org_3"))
	for _, c := range []struct {
		name, table, reason, make, change, where string
		withheld                                 int // of make, change, and the deletion
	}{
		{"two parents", "notes", "tenants_disagree",
			`INSERT INTO notes (id, content, "propertyId", "clientId", "createdBy") VALUES ('n_two', 'canary', 'property_1', 'client_2', 'user_1')`,
			`UPDATE notes SET content = 'canary again' WHERE id = 'n_two'`, `id = 'n_two'`, 3},
		{"own column and a parent", "tasks", "tenants_disagree",
			`INSERT INTO tasks (id, title, "organizationId", "propertyId", "assignedTo", "createdBy") VALUES ('t_two', 'canary', 'org_1', 'property_2', 'user_1', 'user_2')`,
			`UPDATE tasks SET title = 'canary again', "assignedTo" = 'user_2' WHERE id = 't_two'`, `id = 't_two'`, 3},
		{"two of three", "tasks", "tenants_disagree",
			`INSERT INTO tasks (id, title, "organizationId", "propertyId", "clientId", "assignedTo", "createdBy") VALUES ('t_three', 'canary', 'org_1', 'property_1', 'client_2', 'user_1', 'user_2')`,
			`UPDATE tasks SET title = 'canary again' WHERE id = 't_three'`, `id = 't_three'`, 3},
		{"two clients", "client_relationships", "tenants_disagree",
			`INSERT INTO client_relationships (id, "fromClientId", "toClientId", position, "createdBy") VALUES ('r_two', 'client_1', 'client_2', 'canary', 'user_1')`,
			`UPDATE client_relationships SET position = 'canary again' WHERE id = 'r_two'`, `id = 'r_two'`, 3},
		{"an interaction", "interactions", "tenants_disagree",
			`INSERT INTO interactions (id, summary, timestamp, "clientId", "propertyId", "createdBy", "interactionType") VALUES ('i_two', 'canary', now(), 'client_3', 'property_2', 'user_1', 'CALL')`,
			`UPDATE interactions SET summary = 'canary again' WHERE id = 'i_two'`, `id = 'i_two'`, 3},
		{"no way at all", "notes", "tenant_null",
			`INSERT INTO notes (id, content, "createdBy") VALUES ('n_none', 'canary', 'user_1')`,
			`UPDATE notes SET content = 'canary again' WHERE id = 'n_none'`, `id = 'n_none'`, 3},
		{"a parent that is not there", "notes", "tenant_unknown",
			`INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ('n_lost', 'canary', 'nowhere', 'user_1')`,
			`UPDATE notes SET content = 'canary again' WHERE id = 'n_lost'`, `id = 'n_lost'`, 3},
		// A known parent must not decide alone.
		{"one of two is not there", "notes", "tenant_unknown",
			`INSERT INTO notes (id, content, "propertyId", "clientId", "createdBy") VALUES ('n_half', 'canary', 'nowhere', 'client_1', 'user_1')`,
			`UPDATE notes SET content = 'canary again' WHERE id = 'n_half'`, `id = 'n_half'`, 3},
		{"one of three is not there", "tasks", "tenant_unknown",
			`INSERT INTO tasks (id, title, "organizationId", "clientId", "assignedTo", "createdBy") VALUES ('t_half', 'canary', 'org_1', 'nowhere', 'user_1', 'user_1')`,
			`UPDATE tasks SET title = 'canary again' WHERE id = 't_half'`, `id = 't_half'`, 3},
		{"it becomes two", "notes", "tenants_disagree",
			`INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ('n_becomes', 'seen', 'property_1', 'user_1')`,
			`UPDATE notes SET content = 'canary', "clientId" = 'client_2' WHERE id = 'n_becomes'`, `id = 'n_becomes'`, 2},
		// "*" would be every organization's.
		{"everybody's", "clients", "tenant_reserved",
			`INSERT INTO clients (id, name, "organizationId", "createdBy", "clientType") VALUES ('c_star', 'canary', '*', 'user_1', 'PERSON')`,
			`UPDATE clients SET name = 'canary again' WHERE id = 'c_star'`, `id = 'c_star'`, 3},
		{"too long a name", "clients", "tenant_too_long",
			`INSERT INTO clients (id, name, "organizationId", "createdBy", "clientType") SELECT 'c_long', 'canary', id, 'user_1', 'PERSON' FROM organizations WHERE length(id) > 255`,
			`UPDATE clients SET name = 'canary again' WHERE id = 'c_long'`, `id = 'c_long'`, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			labels := []string{fmt.Sprintf("table=%q", "public."+c.table), fmt.Sprintf("reason=%q", c.reason)}
			before, all := s.metric(t, "orgcast_rows_withheld_total", labels...), s.metric(t, "orgcast_rows_withheld_total")
			h.Exec(t, c.make)
			h.Exec(t, c.change)
			h.Exec(t, `DELETE FROM `+c.table+` WHERE `+c.where)
			for i, told := range s.hear(t, h, ears...) {
				never(t, ears[i].user, told, "canary")
			}
			if got := s.metric(t, "orgcast_rows_withheld_total", labels...) - before; got != float64(c.withheld) {
				t.Errorf("%v rows withheld with reason %s, want %d", got, c.reason, c.withheld)
			}
			if got := s.metric(t, "orgcast_rows_withheld_total") - all; got != float64(c.withheld) {
				t.Errorf("%v rows withheld in all, want %d", got, c.withheld)
			}
		})
	}
}

// race is a property that moves between organizations, and those who change its
// children meanwhile. Every text says for whom it is: the organization that has
// the property when the text's transaction commits.
type race struct {
	t      *testing.T
	r      *rand.Rand
	id     string
	owner  string // as committed
	mover  *pgx.Conn
	others []*pgx.Conn
	// open are the texts of the open transactions of others, without whom they are for.
	open   [][]string
	serial int
	want   []string // complete texts that their organization must be told
	moves  []string // "from to", those that must be reset
}

func (r *race) do(conn *pgx.Conn, sql string) {
	r.t.Helper()
	if _, err := conn.PgConn().Exec(r.t.Context(), sql).ReadAll(); err != nil {
		r.t.Fatalf("%v in %s", err, sql)
	}
}

// text begins a text that is not finished before its transaction commits: whose
// it will be is known only then, so the row's last writer in it names the owner.
func (r *race) text() string {
	r.serial++
	return fmt.Sprintf("%s-%d", r.id, r.serial)
}

// testParentMoveRace: while a property moves between three organizations, its
// notes and listings are made, changed and deleted in its transactions and in
// others that are open at the same time. Nobody is told a text that was not his at
// its commit, and both organizations of every move are told to refetch.
func testParentMoveRace(t *testing.T, h *house, s *instance) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	mover, others := h.Conn(t), []*pgx.Conn{h.Conn(t), h.Conn(t)}
	for round := range 25 {
		ears := s.each(t, h, 3)
		r := &race{t: t, r: random, id: fmt.Sprintf("raced-%d", round), owner: org(1 + random.IntN(3)), mover: mover, others: others}
		h.property(t, r.id, r.owner, "for-"+r.owner)
		r.run(40)
		r.judge(ears, s.hear(t, h, ears...))
		for _, e := range ears {
			e.live.Close()
		}
	}
}

// run does random steps. The commits are one after the other, so that their order
// is known; what they write overlaps.
func (r *race) run(steps int) {
	// The notes that exist, committed, and who writes to them at the moment.
	r.open = make([][]string, len(r.others))
	begun := make([]bool, len(r.others))
	for range steps {
		i := r.r.IntN(len(r.others) + 1)
		if i == len(r.others) {
			r.move()
			continue
		}
		conn := r.others[i]
		if begun[i] && r.r.IntN(2) == 0 {
			r.commit(i)
			begun[i] = false
			continue
		}
		if !begun[i] {
			r.do(conn, `BEGIN`)
			begun[i] = true
		}
		r.open[i] = append(r.open[i], r.text())
		// Something that is rewritten at the commit: the transaction has been open
		// over moves of others.
		r.do(conn, fmt.Sprintf(`INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ('%s', 'unfinished', '%s', 'user_1')`, r.open[i][len(r.open[i])-1], r.id))
	}
	for i := range r.others {
		if begun[i] {
			r.commit(i)
		}
	}
}

// commit ends a transaction of others: each row that it made gets its text.
func (r *race) commit(i int) {
	for _, id := range r.open[i] {
		text := fmt.Sprintf("for-%s %s.", r.owner, id)
		r.do(r.others[i], fmt.Sprintf(`UPDATE notes SET content = '%s' WHERE id = '%s'`, text, id))
		r.want = append(r.want, text)
		if r.r.IntN(4) == 0 {
			r.do(r.others[i], `DELETE FROM notes WHERE id = '`+id+`'`)
		}
	}
	r.do(r.others[i], `COMMIT`)
	r.open[i] = nil
}

// move moves the property in a transaction that changes children before, between
// and after, and perhaps moves it more than once.
func (r *race) move() {
	var sql strings.Builder
	path := []string{r.owner}
	for range 1 + r.r.IntN(2) {
		path = append(path, org(1+r.r.IntN(3)))
	}
	final := path[len(path)-1]
	child := func() {
		id := r.text()
		switch r.r.IntN(5) {
		case 0:
		case 1:
			fmt.Fprintf(&sql, `INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ('%s', 'for-%s', '%s', 'user_1');`, id, final, r.id)
		case 2: // one that was there
			fmt.Fprintf(&sql, `UPDATE notes SET content = 'for-%s %s' WHERE id = (SELECT id FROM notes WHERE "propertyId" = '%s' ORDER BY id LIMIT 1);`, final, id, r.id)
		case 3:
			fmt.Fprintf(&sql, `DELETE FROM notes WHERE id = (SELECT id FROM notes WHERE "propertyId" = '%s' ORDER BY id DESC LIMIT 1);`, r.id)
		default:
			fmt.Fprintf(&sql, `INSERT INTO media_assets (id, url, "propertyId", "assetType") VALUES ('%s', 'for-%s', '%s', 'IMAGE');`, id, final, r.id)
		}
	}
	sql.WriteString("BEGIN;")
	child()
	for i, to := range path[1:] {
		fmt.Fprintf(&sql, `UPDATE properties SET "organizationId" = '%s', description = 'for-%[1]s' WHERE id = '%s';`, to, r.id)
		if from := path[i]; from != to {
			r.moves = append(r.moves, from+" "+to)
		}
		child()
	}
	sql.WriteString("COMMIT")
	r.do(r.mover, sql.String())
	r.owner = final
}

func (r *race) judge(ears []*ear, told [][]string) {
	r.t.Helper()
	resets := map[string]int{}
	for _, m := range r.moves {
		from, to, _ := strings.Cut(m, " ")
		resets[from]++
		resets[to]++
	}
	for i, e := range ears {
		mine := e.organizations[0]
		for _, other := range ears {
			if o := other.organizations[0]; o != mine {
				never(r.t, mine, told[i], "for-"+o, `"organizationId":"`+o+`"`)
			}
		}
		if got := lines(told[i], `"type":"reset"`, `"reason":"moved"`); got != resets[mine] {
			r.t.Errorf("%s was told to refetch %d times, want %d of %d moves", mine, got, resets[mine], len(r.moves))
		}
		for _, text := range r.want {
			if strings.HasPrefix(text, "for-"+mine+" ") && lines(told[i], text) == 0 {
				r.t.Errorf("%s was not told %q, which was its own before and after", mine, text)
			}
		}
	}
	if r.t.Failed() {
		r.t.Fatalf("moves %v", r.moves)
	}
}

// movable are the rows that can go from one organization to another, every
// allowed value of them.
var movable = []struct {
	name, make, move string
	gone             string // what the old row says besides: words that nobody is to be told
}{
	{"a property", `INSERT INTO properties (id, price, bedrooms, bathrooms, size, "yearBuilt", features, description, "organizationId", "createdBy", "propertyType", status, "transactionType")
			VALUES ('moved', 1111111, 22, 33, 4444.5, 1955, '{"x":"old-features"}', 'old-description', 'org_1', 'user_1', 'HOUSE', 'AVAILABLE', 'SALE')`,
		`UPDATE properties SET price = 2, bedrooms = 1, bathrooms = 1, size = 1, "yearBuilt" = 2000, features = '{"x":"new-features"}', description = 'new-description', "organizationId" = 'org_2',
			"createdBy" = 'user_2', "propertyType" = 'LAND', status = 'SOLD', "transactionType" = 'LEASE', created_at = now(), updated_at = now() WHERE id = 'moved'`, "1111111 4444.5 1955 AVAILABLE HOUSE SALE"},
	{"a client", `INSERT INTO clients (id, name, email, phone, "secondaryEmail", "secondaryPhone", tags, "organizationId", "createdBy", "clientType")
			VALUES ('moved', 'old-name', 'old-email', 'old-phone', 'old-second', 'old-phones', '["old-tag"]', 'org_1', 'user_1', 'PERSON')`,
		`UPDATE clients SET name = 'new-name', email = 'new-email', phone = 'new-phone', "secondaryEmail" = NULL, "secondaryPhone" = 'new-phones', tags = '["new-tag"]', "organizationId" = 'org_2',
			"createdBy" = 'user_2', "clientType" = 'COMPANY' WHERE id = 'moved'`, "PERSON"},
	{"a task", `INSERT INTO tasks (id, title, description, "organizationId", "propertyId", "assignedTo", "createdBy") VALUES ('moved', 'old-title', 'old-text', 'org_1', 'property_1', 'user_1', 'user_1')`,
		`UPDATE tasks SET title = 'new-title', description = 'new-text', "organizationId" = 'org_2', "propertyId" = 'property_2', "assignedTo" = 'user_2', "createdBy" = 'user_2', status = 'COMPLETED' WHERE id = 'moved'`, "PENDING property_1"},
	{"a note, by its parent", `INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ('moved', 'old-content', 'property_1', 'user_1')`,
		`UPDATE notes SET content = 'new-content', "propertyId" = 'property_2', "createdBy" = 'user_2' WHERE id = 'moved'`, "property_1"},
	{"a note, to another kind of parent", `INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ('moved', 'old-content', 'property_1', 'user_1')`,
		`UPDATE notes SET content = 'new-content', "propertyId" = NULL, "clientId" = 'client_2', "createdBy" = 'user_2' WHERE id = 'moved'`, "property_1"},
	{"an interaction", `INSERT INTO interactions (id, summary, timestamp, "clientId", "createdBy", "interactionType") VALUES ('moved', 'old-summary', now(), 'client_1', 'user_1', 'CALL')`,
		`UPDATE interactions SET summary = 'new-summary', "clientId" = 'client_2', "createdBy" = 'user_2', "interactionType" = 'EMAIL' WHERE id = 'moved'`, "client_1 CALL"},
	{"an address", `INSERT INTO addresses (id, country, region, city, street, number, "postalCode", "locationText", "propertyId")
			VALUES ('moved', 'old-country', 'old-region', 'old-city', 'old-street', 'old-number', 'old-code', 'old-location', 'property_1')`,
		`UPDATE addresses SET country = 'new-country', region = 'new-region', city = 'new-city', street = 'new-street', number = 'new-number', "postalCode" = 'new-code', "locationText" = NULL, "propertyId" = 'property_2' WHERE id = 'moved'`, ""},
	{"a listing", `INSERT INTO listings (id, "listPrice", notes, "propertyId", "marketingStatus") VALUES ('moved', 1111111, 'old-notes', 'property_1', 'ACTIVE')`,
		`UPDATE listings SET "listPrice" = 2, notes = 'new-notes', "propertyId" = 'property_2', "marketingStatus" = 'ARCHIVED', "archivedAt" = now() WHERE id = 'moved'`, "1111111 ACTIVE"},
	{"a picture", `INSERT INTO media_assets (id, url, "propertyId", "assetType", "displayOrder") VALUES ('moved', 'old-url', 'property_1', 'IMAGE', 7777)`,
		`UPDATE media_assets SET url = 'new-url', "propertyId" = 'property_2', "assetType" = 'VIDEO', "displayOrder" = 1 WHERE id = 'moved'`, "IMAGE 7777"},
	{"two clients' relation", `INSERT INTO clients (id, name, "organizationId", "createdBy", "clientType") VALUES ('k1', 'x', 'org_1', 'user_1', 'PERSON'), ('k2', 'x', 'org_2', 'user_2', 'PERSON');
			INSERT INTO client_relationships (id, "fromClientId", "toClientId", position, "createdBy") VALUES ('moved', 'client_1', 'k1', 'old-position', 'user_1')`,
		`UPDATE client_relationships SET "fromClientId" = 'client_2', "toClientId" = 'k2', position = 'new-position', "createdBy" = 'user_2', "relationshipType" = 'FAMILY' WHERE id = 'moved'`, "client_1 k1 OTHER"},
	{"an invitation", `INSERT INTO invitations (id, email, role, token, "expiresAt", "organizationId", "invitedBy") VALUES ('moved', 'old-email', 'AGENT', 'old-token', now(), 'org_1', 'user_1')`,
		`UPDATE invitations SET email = 'new-email', role = 'VIEWER', token = 'hidden-token', status = 'EXPIRED', "organizationId" = 'org_2', "invitedBy" = 'user_2' WHERE id = 'moved'`, "AGENT PENDING"},
	{"a membership", `INSERT INTO users (id) VALUES ('olduser'), ('newuser'); INSERT INTO organization_members (id, "userId", "organizationId", role) VALUES ('moved', 'olduser', 'org_1', 'ADMIN')`,
		`UPDATE organization_members SET "userId" = 'newuser', "organizationId" = 'org_2', role = 'VIEWER' WHERE id = 'moved'`, "ADMIN"},
}

// testMove: what goes from one organization to another is a delete for the one,
// with its ids, and a create for the other, with its new values: not one old value
// crosses, and not one new value stays behind.
func testMove(t *testing.T, h *house, s *instance) {
	for i, c := range movable {
		t.Run(c.name, func(t *testing.T) {
			row := strings.NewReplacer("'moved'", fmt.Sprintf("'moved_%d'", i))
			h.Exec(t, row.Replace(c.make))
			ears := s.each(t, h, 2)
			h.Exec(t, row.Replace(c.move))
			told := s.hear(t, h, ears...)
			was, is := told[0], told[1]
			never(t, "the old organization", was, append(strings.Fields(c.gone), "old-", "new-", "newuser", "user_2", "property_2", "client_2", "org_2", "hidden-token")...)
			never(t, "the new organization", is, append(strings.Fields(c.gone), "old-", "olduser", "user_1", "property_1", "client_1", "org_1", "hidden-token", `"old"`)...)
			if lines(was, "moved", `"organizationId":"org_1"`) == 0 || lines(is, "moved", "new", `"organizationId":"org_2"`) == 0 {
				t.Errorf("the old organization was told\n%s\nand the new one\n%s", strings.Join(was, "\n"), strings.Join(is, "\n"))
			}
		})
	}
}

// testSquat: who takes a key that was another organization's gets nothing of what
// it stood for, and who names another organization's parent learns nothing of it.
func testSquat(t *testing.T, h *house, s *instance) {
	begin := func(t *testing.T, id string) []*ear {
		h.property(t, id, "org_1", "alpha-description")
		h.Exec(t, `INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ('note-`+id+`', 'alpha-content', '`+id+`', 'user_1');
			INSERT INTO listings (id, "listPrice", notes, "propertyId") VALUES ('listing-`+id+`', 1111111, 'alpha-notes', '`+id+`')`)
		return s.each(t, h, 2)
	}
	const squat = `INSERT INTO properties (id, price, description, "organizationId", "createdBy", "propertyType", status, "transactionType")
		VALUES ('{}', 2, 'beta', 'org_2', 'user_2', 'LAND', 'SOLD', 'SALE')`
	for _, c := range []struct {
		name, sql string
		seen      int  // lines with "beta" that the squatter is told
		refetch   bool // both are told that children may have moved with the key
	}{
		{"deleted, then taken", `BEGIN; DELETE FROM properties WHERE id = '{}'; COMMIT; ` + squat, 1, false},
		{"deleted and taken in one", `BEGIN; DELETE FROM properties WHERE id = '{}'; ` + squat + `; INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ('note-{}', 'beta', '{}', 'user_2'); COMMIT`, 2, true},
		{"taken after a change in one", `BEGIN; UPDATE listings SET notes = 'alpha-more' WHERE id = 'listing-{}'; UPDATE properties SET description = 'alpha-more' WHERE id = '{}';
			DELETE FROM properties WHERE id = '{}'; ` + squat + `; COMMIT`, 1, true},
		{"taken, and given back in one", `BEGIN; DELETE FROM properties WHERE id = '{}'; ` + squat + `; DELETE FROM properties WHERE id = '{}';
			INSERT INTO properties (id, price, description, "organizationId", "createdBy", "propertyType", status, "transactionType") VALUES ('{}', 3, 'alpha-again', 'org_1', 'user_1', 'LAND', 'SOLD', 'SALE'); COMMIT`, 1, true},
		{"a swap of keys", `BEGIN; INSERT INTO properties (id, price, description, "organizationId", "createdBy", "propertyType", status, "transactionType") VALUES ('b-{}', 2, 'beta', 'org_2', 'user_2', 'LAND', 'SOLD', 'SALE');
			DELETE FROM notes WHERE "propertyId" = '{}'; DELETE FROM listings WHERE "propertyId" = '{}';
			UPDATE properties SET id = 'x-{}' WHERE id = '{}'; UPDATE properties SET id = '{}' WHERE id = 'b-{}'; UPDATE properties SET id = 'b-{}' WHERE id = 'x-{}'; COMMIT`, 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := "squat-" + strings.ReplaceAll(c.name, " ", "-")
			ears := begin(t, id)
			h.script(t, strings.ReplaceAll(c.sql, "{}", id))
			told := s.hear(t, h, ears...)
			never(t, "the squatter", told[1], "alpha", "1111111", "org_1", "user_1")
			never(t, "who had the key", told[0], "beta", "org_2", "user_2")
			if got := lines(told[1], "beta"); got != c.seen {
				t.Errorf("the squatter was told of %d of his rows, want %d:\n%s", got, c.seen, strings.Join(told[1], "\n"))
			}
			for i := range told {
				if got := lines(told[i], `"reset"`, `"moved"`) > 0; got != c.refetch {
					t.Errorf("%s told to refetch: %v, want %v:\n%s", ears[i].user, got, c.refetch, strings.Join(told[i], "\n"))
				}
			}
		})
	}
	t.Run("an insert that the key refuses", func(t *testing.T) {
		ears := begin(t, "squat-refused")
		conn := h.Conn(t)
		if _, err := conn.Exec(t.Context(), strings.ReplaceAll(squat, "{}", "squat-refused")); err == nil {
			t.Fatal("two properties have one key")
		}
		for i, told := range s.hear(t, h, ears...) {
			if len(told) > 0 {
				t.Errorf("%s was told\n%s", ears[i].user, strings.Join(told, "\n"))
			}
		}
	})
	t.Run("an upsert over it is a move", func(t *testing.T) {
		ears := begin(t, "squat-upsert")
		h.script(t, strings.ReplaceAll(squat, "{}", "squat-upsert")+` ON CONFLICT (id) DO UPDATE SET "organizationId" = 'org_2', description = 'beta', price = 2, "createdBy" = 'user_2'`)
		told := s.hear(t, h, ears...)
		never(t, "the squatter", told[1], "alpha", "1111111", "org_1", "user_1")
		if lines(told[0], "delete", "squat-upsert") != 1 || lines(told[1], "create", "beta") != 1 || lines(told[1], `"moved"`) != 1 || lines(told[0], `"moved"`) != 1 {
			t.Errorf("told\n%s\nand\n%s", strings.Join(told[0], "\n"), strings.Join(told[1], "\n"))
		}
	})
	t.Run("a child that names another's parent", func(t *testing.T) {
		ears := begin(t, "squat-child")
		before := s.metric(t, "orgcast_rows_withheld_total", `reason="tenants_disagree"`)
		h.Exec(t, `
			INSERT INTO tasks (id, title, "organizationId", "propertyId", "createdBy", "assignedTo") VALUES ('spy-1', 'beta', 'org_2', 'squat-child', 'user_2', 'user_2');
			INSERT INTO notes (id, content, "propertyId", "clientId", "createdBy") VALUES ('spy-2', 'beta', 'squat-child', 'client_2', 'user_2');
			UPDATE tasks SET title = 'beta again' WHERE id = 'spy-1';
			DELETE FROM tasks WHERE id = 'spy-1'`)
		told := s.hear(t, h, ears...)
		if slices.Concat(told...) != nil {
			t.Errorf("told\n%s", strings.Join(slices.Concat(told...), "\n"))
		}
		if got := s.metric(t, "orgcast_rows_withheld_total", `reason="tenants_disagree"`) - before; got != 4 {
			t.Errorf("%v rows withheld, want 4", got)
		}
	})
	t.Run("an organization's own key", func(t *testing.T) {
		h.Exec(t, `INSERT INTO organizations (id, name) VALUES ('org_x', 'Alpha'); INSERT INTO users (id) VALUES ('of_alpha'), ('of_beta');
			INSERT INTO organization_members (id, "userId", "organizationId") VALUES ('of_alpha', 'of_alpha', 'org_x')`)
		alpha := s.listenAs(t, h, "of_alpha", "org_x")
		h.property(t, "alpha-property", "org_x", "alpha-description")
		s.hear(t, h, alpha)
		h.script(t, `DELETE FROM organizations WHERE id = 'org_x'`)
		if m := alpha.live.await(t, "closing"); m.Reason != "membership_revoked" || *m.Reconnect {
			t.Errorf("closing %+v", m)
		}
		h.Exec(t, `INSERT INTO organizations (id, name) VALUES ('org_x', 'Beta'); INSERT INTO organization_members (id, "userId", "organizationId") VALUES ('of_alpha', 'of_beta', 'org_x')`)
		// Who has the name now asks for all that there ever was under it.
		c, err := connect(within(t, time.Minute), s.address, "organizationId=org_x", h.cookie(t, "of_beta"), alpha.from)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if m := c.await(t, "reset"); m.Reason != "too_old" {
			t.Errorf("reset %s", m.Reason)
		}
		beta := &ear{user: "of_beta", organizations: []string{"org_x"}, live: c, query: "organizationId=org_x", cookie: h.cookie(t, "of_beta")}
		beta.from = c.await(t, "ready").Cursor
		if told := s.hear(t, h, beta)[0]; len(told) > 0 {
			t.Errorf("told\n%s", strings.Join(told, "\n"))
		}
	})
}
