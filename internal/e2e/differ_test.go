package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast/internal/verify"
	oracle "github.com/oikion/orgcast/internal/verify/truth"
)

// differ holds a server against the verifier's model, which knows the documents
// and not the code: what each listener hears is what the model says, to the byte.
type differ struct {
	*house
	server    *instance
	conn      *pgx.Conn
	model     *oracle.Model
	reader    *oracle.Reader
	stop      func()
	committed []verify.Transaction
	facts     []verify.Fact
	listeners []*listener
	sql       map[uint32]string // by transaction
	heard     int
}

// listener hears all that one user may hear of one organization.
type listener struct {
	user, organization, role string

	heard map[uint64][]string // by transaction
	count int
	done  chan error
}

// listen writes down what is heard, up to the end's event.
func (l *listener) listen(c *connection) error {
	for {
		b, m, err := c.next()
		if err != nil {
			return err
		}
		switch m.Type {
		case "ready", "status", "connection":
			continue
		case "closing":
			return fmt.Errorf("closing: %s", b.data)
		}
		place, err := verify.ParseCursor(b.id)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("%d reset %s", place.Ordinal(), m.Reason)
		if m.Type != "reset" {
			e, err := verify.ParseEvent(b.data)
			if err != nil {
				return err
			}
			what = l.line(place.Ordinal(), e.Organization, e.Type, e.Source, e.Millis, e.Payload, e.Truncated)
		}
		l.heard[place.LSN] = append(l.heard[place.LSN], what)
		l.count++
		if m.Payload.PropertyID == theEnd+l.organization {
			return nil
		}
	}
}

// theEnd begins the key of the property of each organization that is written last.
const theEnd = "the-end-"

// line is an event in one line, as heard or as wanted. One of another organization
// has its name in it.
func (l *listener) line(ordinal uint64, organization, typ, source string, millis int64, payload string, truncated bool) string {
	if organization == l.organization || organization == "*" {
		organization = ""
	}
	return fmt.Sprintf("%d %s %s%s %d %s %v", ordinal, typ, organization, source, millis, payload, truncated)
}

// wants is what a fact is to a listener, "" if nothing.
func (l *listener) wants(f verify.Fact) string {
	if f.Organization != l.organization && f.Organization != "*" || f.Users != nil && !slices.Contains(f.Users, l.user) || f.Roles != nil && !slices.Contains(f.Roles, l.role) {
		return ""
	}
	may := ""
	if f.May {
		may = perhaps
	}
	if f.Type == "reset" {
		return may + fmt.Sprintf("%d reset moved", f.Ordinal)
	}
	return may + l.line(f.Ordinal, f.Organization, f.Type, f.Source, f.Millis, f.Payload, false)
}

const perhaps = "perhaps "

const differOrganizations = 3

// newDiffer has organizations, and in each of them an administrator and a viewer
// who listen and a few who do not.
func newDiffer(t testing.TB) *differ {
	t.Helper()
	d := &differ{house: newHouse(t), sql: map[uint32]string{}}
	d.fill(t, differOrganizations)
	for i := 1; i <= differOrganizations; i++ {
		for _, role := range []string{"ADMIN", "VIEWER"} {
			user := fmt.Sprintf("%s_%d", strings.ToLower(role), i)
			d.user(t, user)
			d.member(t, user, org(i))
			d.Exec(t, `UPDATE organization_members SET role = $2::"UserRole" WHERE "userId" = $1`, user, role)
			d.listeners = append(d.listeners, &listener{user: user, organization: org(i), role: role})
		}
	}
	d.user(t, "writer")
	d.setUp(t)
	var err error
	if d.reader, err = oracle.Open(t.Context(), d.URL, d.Name+"_truth", "orgcast"); err != nil {
		t.Fatal(err)
	}
	d.model = oracle.New(d.reader.Snapshot())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- d.reader.Run(ctx, func(tx verify.Transaction) {
			d.committed = append(d.committed, tx)
			d.facts = append(d.facts, d.model.Commit(tx)...)
		})
	}()
	d.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	s := serve(t, d.environ, nil)
	d.server = s
	s.ready(t)
	for _, l := range d.listeners {
		c, err := connect(within(t, 5*time.Minute), s.address, "organizationId="+l.organization, d.cookie(t, l.user), "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.await(t, "ready")
		l.heard, l.done = map[uint64][]string{}, make(chan error, 1)
		go func() { l.done <- l.listen(c) }()
	}
	d.conn = d.Conn(t)
	return d
}

// do executes one transaction.
func (d *differ) do(t testing.TB, sql string) {
	t.Helper()
	results, err := d.conn.PgConn().Exec(t.Context(), "BEGIN; "+sql+"; SELECT pg_current_xact_id()::text; COMMIT").ReadAll()
	if err != nil {
		t.Fatalf("%v\nin %s", err, sql)
	}
	var xid uint32
	if _, err := fmt.Sscan(string(results[len(results)-2].Rows[0][0]), &xid); err != nil {
		t.Fatal(err)
	}
	d.sql[xid] = sql
}

// differences compares what was heard since the beginning.
func (d *differ) differences(t testing.TB) (all []string) {
	t.Helper()
	for i := 1; i <= differOrganizations; i++ {
		d.property(t, theEnd+org(i), org(i), "the end")
	}
	var position uint64
	if err := d.conn.QueryRow(t.Context(), "SELECT pg_current_wal_flush_lsn() - '0/0'::pg_lsn").Scan(&position); err != nil {
		t.Fatal(err)
	}
	until(t, time.Minute, func() string {
		if got := d.reader.Reached(); got < position {
			return fmt.Sprintf("the truth is at %x of %x", got, position)
		}
		return ""
	})
	d.stop()
	for _, l := range d.listeners {
		if err := <-l.done; err != nil {
			t.Errorf("%s: %v", l.user, err)
		}
		d.heard += l.count
		want := map[uint64][]string{}
		for _, f := range d.facts {
			if w := l.wants(f); w != "" {
				want[f.LSN] = append(want[f.LSN], w)
			}
		}
		for _, tx := range d.committed {
			if w, h := want[tx.LSN], l.heard[tx.LSN]; !agree(w, h) {
				all = append(all, fmt.Sprintf("%s of %s, transaction %x:\n  %s\n%s  wanted\n    %s\n  heard\n    %s",
					l.user, l.organization, tx.LSN, d.sql[tx.XID], changesOf(tx), strings.Join(w, "\n    "), strings.Join(h, "\n    ")))
			}
			delete(l.heard, tx.LSN)
		}
		for lsn, h := range l.heard {
			all = append(all, fmt.Sprintf("%s of %s heard of a transaction %x that there is not: %s", l.user, l.organization, lsn, h))
		}
	}
	return all
}

// agree says whether what was heard is what was wanted. What may be heard need not.
func agree(want, got []string) bool {
	for _, w := range want {
		optional, may := strings.CutPrefix(w, perhaps)
		switch {
		case may && len(got) > 0 && got[0] == optional, !may && len(got) > 0 && got[0] == w:
			got = got[1:]
		case !may:
			return false
		}
	}
	return len(got) == 0
}

// changesOf are a transaction's changes, in short.
func changesOf(tx verify.Transaction) string {
	var b strings.Builder
	for i, c := range tx.Changes {
		fmt.Fprintf(&b, "    %d %s %s%s", i, []string{"INSERT", "UPDATE", "DELETE", "TRUNCATE", "MESSAGE"}[c.Kind], c.Table, c.Prefix)
		for name, r := range map[string]verify.Row{"old": c.Old, "new": c.New} {
			if r != nil {
				fmt.Fprintf(&b, " %s:", name)
			}
			for _, column := range []string{"id", "organizationId", "propertyId", "clientId"} {
				if v := r[column]; v != nil {
					fmt.Fprintf(&b, " %s", *v)
				}
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
