package load

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast/examples/oikion"
	"github.com/oikion/orgcast/internal/pgtest"
	"github.com/oikion/orgcast/internal/verify"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// small is a load on a database of its own, filled.
func small(t *testing.T, over func(*Options)) (*Load, *pgtest.DB) {
	t.Helper()
	db := pgtest.Database(t, oikion.Schema)
	start := time.Now()
	o := Options{
		URL: db.URL, Seed: 7, Organizations: 4, Users: 12, Keys: 8, BigRows: 300, Timeout: 20 * time.Second,
		Clock: func() int64 { return int64(time.Since(start)) },
		Churn: []string{"user_1", "user_4"}, Doomed: []string{"org_3"},
	}
	if over != nil {
		over(&o)
	}
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l, db
}

// run runs a load to its limit.
func run(t *testing.T, l *Load) Stats {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := l.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("the limit was not reached: %+v", l.Stats())
	}
	return l.Stats()
}

// one is the one value that a query has.
func one[T any](t *testing.T, db *pgtest.DB, sql string, args ...any) (v T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestAllKindsAreWritten: several writers at once do everything in the table of
// kinds; what is refused is only what may be; and every acknowledged commit is one.
func TestAllKindsAreWritten(t *testing.T) {
	l, db := small(t, func(o *Options) {
		o.Writers = 4
		// Often enough to be seen in so few.
		o.Weights = map[string]int{"big": 20, "truncate": 30, "ddl.inside": 30, "ddl.alone": 100}
		for _, k := range kinds {
			if o.Weights[k.name] == 0 {
				o.Weights[k.name] = max(k.weight, 60)
			}
		}
	})
	// missing are the kinds of which no row was written yet.
	missing := func() (names []string) {
		stats := l.Stats()
		for _, k := range l.kinds {
			c, rowless := stats.Kinds[k.name], strings.HasPrefix(k.name, "ddl") || k.name == "truncate"
			if c.Statements == 0 || c.Rows == 0 && !rowless {
				names = append(names, k.name)
			}
		}
		return names
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		for verify.Pause(ctx, 100*time.Millisecond) == nil {
			if s := l.Stats(); len(missing()) == 0 && s.Committed > 500 && s.Back > 0 && s.Kinds["savepoint.rollback"].Statements > 0 {
				cancel()
			}
		}
	}()
	if err := l.Run(ctx); err != nil {
		t.Fatal(err)
	}
	stats := l.Stats()
	if names := missing(); len(names) > 0 || stats.Committed < 500 || stats.Back == 0 {
		t.Errorf("%d committed, %d rolled back, and none of %v", stats.Committed, stats.Back, names)
	}
	if stats.Lost > 0 && stats.Refused["XX000"] == 0 {
		t.Errorf("%d connections lost: %v", stats.Lost, stats.Refused)
	}
	acked := l.Acked()
	committed(t, db, acked)
	if len(acked) < 350 || int64(len(acked)) > stats.Committed+int64(len(tables))+1 {
		t.Errorf("%d acknowledged of %d committed", len(acked), stats.Committed)
	}
	t.Logf("%d committed, %d acknowledged in %v, refused %v", stats.Committed, len(acked), time.Duration(acked[len(acked)-1].At), stats.Refused)
}

// committed holds that each acknowledged transaction is committed, and another.
func committed(t *testing.T, db *pgtest.DB, acked []Ack) {
	t.Helper()
	var ids []string
	for i, a := range acked {
		ids = append(ids, fmt.Sprint(a.XID))
		if a.At <= 0 || i > 0 && a.At < acked[i-1].At-int64(time.Second) {
			t.Errorf("acknowledged at %d: %+v", a.At, a)
		}
	}
	good := one[int](t, db, `SELECT count(DISTINCT x) FROM unnest($1::text[]) x WHERE pg_xact_status(x::xid8) = 'committed'`, ids)
	if good != len(ids) {
		t.Errorf("of %d that were acknowledged %d are committed", len(ids), good)
	}
}

// TestMembersStay: who is not to come and go keeps his memberships, whatever else
// happens; who is, does.
func TestMembersStay(t *testing.T) {
	l, db := small(t, func(o *Options) {
		o.Writers, o.Limit = 3, 400
		o.Weights = map[string]int{"organizations.doom": 100, "members.leave": 400, "members.join": 200, "members.move": 100, "big": 0}
	})
	run(t, l)
	kept, churned := 0, 0
	for _, m := range l.Members() {
		there := one[bool](t, db, `SELECT EXISTS (SELECT FROM organization_members WHERE "userId" = $1 AND "organizationId" = $2)`, m.User, m.Organization)
		switch {
		case m.Organization == "org_3":
		case slices.Contains(l.options.Churn, m.User):
			churned++
		case !there:
			t.Errorf("%+v is gone", m)
		default:
			kept++
		}
	}
	s := l.Stats()
	if kept == 0 || churned == 0 || s.Kinds["members.leave"].Rows == 0 || s.Kinds["members.join"].Rows == 0 || s.Kinds["organizations.doom"].Rows == 0 {
		t.Errorf("%d kept, %d may come and go, %v", kept, churned, s.Kinds)
	}
	rows := 0
	for _, table := range tables { // one alone may be empty: it was truncated just now
		space := l.writer(0).space(table)
		n := one[int](t, db, `SELECT count(*) FROM `+table.name)
		if rows += n; n > space {
			t.Errorf("%s has %d rows of %d", table.name, n, space)
		}
	}
	if rows == 0 {
		t.Error("nothing is left")
	}
}

// TestOneWriterWritesTheSameAgain: the same seed, the same rows.
func TestOneWriterWritesTheSameAgain(t *testing.T) {
	dump := func(seed uint64) string {
		l, db := small(t, func(o *Options) { o.Seed, o.Writers, o.Limit = seed, 1, 150 })
		run(t, l)
		var b strings.Builder
		for _, table := range append(slices.Clone(tables), &table{name: "organizations"}, &table{name: "organization_members"}) {
			b.WriteString(one[string](t, db, `SELECT coalesce(string_agg((to_jsonb(t) - 'created_at' - 'updated_at' - 'uploaded_at' - 'joined_at')::text, E'\n' ORDER BY id COLLATE "C"), '')
				FROM `+table.name+` t`))
		}
		return b.String()
	}
	first := dump(3)
	if len(first) < 10_000 || first != dump(3) {
		t.Errorf("%d bytes of rows, and others the second time", len(first))
	}
	if first == dump(4) {
		t.Error("another seed writes the same")
	}
}

// TestWritersSurviveTheDatabase: connections are cut again and again, and the
// database goes away once; the writers go on.
func TestWritersSurviveTheDatabase(t *testing.T) {
	l, db := small(t, func(o *Options) { o.Writers = 3 })
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := l.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	more := func(n int64) {
		t.Helper()
		for want, until := l.Stats().Committed+n, time.Now().Add(time.Minute); l.Stats().Committed < want; {
			if time.Now().After(until) || verify.Pause(t.Context(), 5*time.Millisecond) != nil {
				t.Fatalf("they do not go on: %+v", l.Stats())
			}
		}
	}
	for range 4 {
		more(20)
		db.Exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	}
	if err := pgtest.Cluster(t).Stop(t.Context(), "immediate"); err != nil {
		t.Fatal(err)
	}
	if err := pgtest.Cluster(t).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	more(50)
	cancel()
	running.Wait()
	if s := l.Stats(); s.Lost < 5 {
		t.Errorf("%d connections lost", s.Lost)
	}
	committed(t, db, l.Acked())
}

// TestNothingIsWrittenInAPause, but a burst.
func TestNothingIsWrittenInAPause(t *testing.T) {
	l, db := small(t, func(o *Options) { o.Writers = 3 })
	if err := l.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var over atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := l.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
		over.Store(true)
	}()
	for range 5 {
		before := l.Stats().Committed
		l.Resume()
		for l.Stats().Committed < before+20 {
			if over.Load() || verify.Pause(t.Context(), time.Millisecond) != nil {
				t.Fatalf("they do not go on: %+v", l.Stats())
			}
		}
		if err := l.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		active := func() int {
			return one[int](t, db, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'`)
		}
		now, wal := l.Stats().Committed, one[string](t, db, `SELECT pg_current_wal_insert_lsn()`)
		if n := active(); n > 0 {
			t.Errorf("%d transactions in a pause", n)
		}
		if then := one[bool](t, db, `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::text::pg_lsn) < 100000`, wal); !then || l.Stats().Committed != now {
			t.Errorf("%d committed in a pause", l.Stats().Committed-now)
		}
	}
	acked := len(l.Acked())
	for range 6 {
		if err := l.Burst(t.Context(), 500); err != nil {
			t.Fatal(err)
		}
	}
	if s := l.Stats(); len(l.Acked()) < acked+4 || s.Kinds["burst"].Rows < 4*500 {
		t.Errorf("bursts: %+v, %d acknowledged", s.Kinds["burst"], len(l.Acked())-acked)
	}
	// A pause that can't be had is said.
	l.mu.Lock()
	l.busy++
	l.mu.Unlock()
	short, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	if err := l.Pause(short); err == nil {
		t.Error("a transaction runs, and Pause does not say so")
	}
	l.end()
	cancel()
	<-done
}

// TestAWrongStatementEndsTheRun: a defect of the load is never counted as the
// database's trouble.
func TestAWrongStatementEndsTheRun(t *testing.T) {
	l, _ := small(t, func(o *Options) { o.Limit = 100 })
	l.kinds = []kind{{name: "bad", weight: 1, do: func(ctx context.Context, w *writer) error {
		_, err := w.exec(ctx, `SELECT no_such_column FROM users`)
		return err
	}}}
	l.weight = 1
	if err := l.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "write bad:") || !strings.Contains(err.Error(), "42703") {
		t.Errorf("run: %v", err)
	}
}
