package replication

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/pgtest"
)

func readSlotOf(t *testing.T, conn *pgx.Conn, name string) *Slot {
	t.Helper()
	slot, err := ReadSlot(t.Context(), conn, name)
	if err != nil || slot == nil {
		t.Fatalf("slot %s: %v, %v", name, slot, err)
	}
	return slot
}

func flushed(t *testing.T, conn *pgx.Conn) orgcast.LSN {
	t.Helper()
	var text string
	if err := conn.QueryRow(t.Context(), "SELECT pg_current_wal_flush_lsn()::text").Scan(&text); err != nil {
		t.Fatal(err)
	}
	l, err := orgcast.ParseLSN(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func execute(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func TestSystemIsIdentified(t *testing.T) {
	db, config := database(t)
	system, err := connect(t, config).IdentifySystem(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var id string
	conn := db.Conn(t)
	if err := conn.QueryRow(t.Context(), "SELECT system_identifier::text FROM pg_control_system()").Scan(&id); err != nil {
		t.Fatal(err)
	}
	if strconv.FormatUint(system.ID, 10) != id || system.Database != db.Name || system.Timeline < 1 || system.WALEnd == 0 || system.WALEnd > flushed(t, conn) {
		t.Errorf("got %+v, want id %s of %s", system, id, db.Name)
	}
}

func TestRoleWithoutSelectStreamsRowsInThePinnedFormat(t *testing.T) {
	db, config := database(t)
	role := db.Role("feed")
	for setting, value := range map[string]string{
		"datestyle": "'German, DMY'", "timezone": "'Asia/Tokyo'", "intervalstyle": "'sql_standard'", "bytea_output": "'escape'",
		"extra_float_digits": "-10", "client_encoding": "'LATIN1'", "statement_timeout": "'10ms'", "idle_session_timeout": "'10ms'",
	} {
		db.Exec(t, "ALTER ROLE "+role+" SET "+setting+" = "+value)
	}
	if _, err := db.ConnAs(t, role, "feed pass").Exec(t.Context(), "SET statement_timeout = 0; SELECT * FROM rows"); err == nil {
		t.Fatal("the role may read the table: the test shows nothing")
	}
	config.URL += "&datestyle=German&options=-c%20timezone%3DAsia/Tokyo"
	from := createSlot(t, config)
	f := newFeed(from)
	r := start(t, config, from, f)
	db.Exec(t, `INSERT INTO rows VALUES (1, '2026-01-02 03:04:05.678+00', '1 day 2 hours', '\x01ff', 0.1::float8 + 0.2::float8)`)
	f.awaitRows(t, 1)
	r.stop(t)
	want := `1 | 2026-01-02 03:04:05.678+00 | P1DT2H | \x01ff | 0.30000000000000004`
	if got := strings.Join(f.rows[0], " | "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSlotIsConfirmedAsToldAndACrashedServerRedeliversFromOurPosition(t *testing.T) {
	db, config := database(t)
	from := createSlot(t, config)
	f := newFeed(from)
	f.hold = true
	r := start(t, config, from, f)
	for id := range 3 {
		db.Exec(t, "INSERT INTO rows VALUES ($1)", id+1)
	}
	f.awaitRows(t, 3)
	conn := db.Conn(t)
	if slot := readSlotOf(t, conn, config.Slot); slot.ConfirmedFlush != from || !slot.Active || slot.Plugin != "pgoutput" || slot.Database != db.Name {
		t.Errorf("with nothing durable the slot is %+v, want it at %v", slot, from)
	}
	f.mu.Lock()
	first, second := f.ends[0], f.ends[1]
	f.durable = first
	f.mu.Unlock()
	for deadline := time.Now().Add(patience); ; {
		slot := readSlotOf(t, conn, config.Slot)
		if slot.ConfirmedFlush == first {
			break
		}
		if slot.ConfirmedFlush > first || time.Now().After(deadline) {
			t.Fatalf("slot is at %v, confirmed was %v", slot.ConfirmedFlush, first)
		}
	}
	cluster := pgtest.Cluster(t)
	if err := cluster.Stop(t.Context(), "immediate"); err != nil {
		t.Fatal(err)
	}
	if err := r.end(t); !errors.Is(err, ErrDisconnected) {
		t.Errorf("server crashed, stream ended with %v", err)
	}
	if err := cluster.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Whatever the slot remembers, our position decides.
	for _, c := range []struct {
		from orgcast.LSN
		want string
	}{{first, "2 3 4"}, {second, "3 4"}} {
		again := newFeed(c.from)
		again.hold = true
		r := start(t, config, c.from, again)
		if c.from == first {
			execute(t, db.Conn(t), "INSERT INTO rows VALUES (4)")
		}
		again.awaitRows(t, len(strings.Fields(c.want)))
		r.stop(t)
		if got := again.ids(); got != c.want {
			t.Errorf("from %v came %s, want %s", c.from, got, c.want)
		}
	}
}

func TestStoppedServerIsNotHeldUpAndTheStreamGoesOnAfterItsStart(t *testing.T) {
	db, config := database(t)
	from := createSlot(t, config)
	f := newFeed(from)
	r := start(t, config, from, f)
	db.Exec(t, "INSERT INTO rows VALUES (1)")
	f.awaitRows(t, 1)
	cluster := pgtest.Cluster(t)
	begin := time.Now()
	// A fast stop waits until the stream confirmed all WAL.
	if err := cluster.Stop(t.Context(), "fast"); err != nil {
		t.Fatal(err)
	}
	t.Logf("server stopped after %v", time.Since(begin))
	err := r.end(t)
	if !errors.Is(err, ErrDisconnected) {
		t.Errorf("stream ended with %v", err)
	}
	t.Logf("stream ended with: %v", err)
	if _, err := Connect(t.Context(), config); !errors.Is(err, ErrDisconnected) || orgcast.Hint(err) == "" || strings.Contains(err.Error(), "\n") {
		t.Errorf("connect to a stopped server: %q", err)
	}
	if err := cluster.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	r = start(t, config, f.confirm(), f)
	execute(t, db.Conn(t), "INSERT INTO rows VALUES (2)")
	f.awaitRows(t, 2)
	r.stop(t)
	if got := f.ids(); got != "1 2" {
		t.Errorf("got %s", got)
	}
}

func TestRowIsInTheSnapshotOrInTheStreamNeverInBothOrNeither(t *testing.T) {
	db, config := database(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var writers sync.WaitGroup
	written := make([]int, 3)
	stop := make(chan struct{})
	for w := range written {
		conn := db.Conn(t)
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					written[w] = n
					return
				default:
				}
				if _, err := conn.Exec(ctx, "INSERT INTO rows VALUES ($1)", w*1_000_000+n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	c := connect(t, config)
	snapshot, consistent, err := c.CreateSlot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// Rows go on; the snapshot stays.
	reader := db.Conn(t)
	_, err = reader.PgConn().Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT "+literal(snapshot)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	found, err := reader.Query(ctx, "SELECT id FROM rows")
	if err != nil {
		t.Fatal(err)
	}
	ids, err := pgx.CollectRows(found, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	f := newFeed(consistent)
	r := start(t, config, consistent, f)
	f.awaitRows(t, 50)
	close(stop)
	writers.Wait()
	total := 0
	for _, n := range written {
		total += n
	}
	f.awaitRows(t, total-len(ids))
	r.stop(t)
	times := map[string]int{}
	for _, id := range ids {
		times[fmt.Sprint(id)]++
	}
	for id := range strings.FieldsSeq(f.ids()) {
		times[id]++
	}
	if len(times) != total {
		t.Errorf("%d rows of %d", len(times), total)
	}
	for id, n := range times {
		if n != 1 {
			t.Errorf("row %s came %d times", id, n)
		}
	}
	t.Logf("%d rows: %d in the snapshot, %d in the stream", total, len(ids), total-len(ids))
}

func TestSecondReaderIsToldWhoReadsAndTakesOverOnTheSameConnection(t *testing.T) {
	db, config := database(t)
	from := createSlot(t, config)
	first := newFeed(from)
	config.ApplicationName = "the first"
	r := start(t, config, from, first)
	config.ApplicationName = "the second"
	second := newFeed(from)
	waiting := connect(t, config)
	err := waiting.Stream(t.Context(), from, second.confirm, second)
	active, ok := errors.AsType[*SlotActiveError](err)
	pid := readSlotOf(t, db.Conn(t), config.Slot).ActivePID
	if !ok || !errors.Is(err, ErrSlotActive) || active.PID != pid || active.Application != "the first" || orgcast.Hint(err) == "" {
		t.Fatalf("got %v, want pid %d of the first", err, pid)
	}
	if err := waiting.DropSlot(t.Context()); !errors.Is(err, ErrSlotActive) {
		t.Errorf("drop of a slot in use: %v", err)
	}
	db.Exec(t, "INSERT INTO rows VALUES (1)")
	first.awaitRows(t, 1)
	begin := time.Now()
	r.stop(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- waiting.Stream(ctx, first.confirm(), second.confirm, second) }()
	second.await(t, "first keepalive", func() bool { return second.position > 0 })
	if d := time.Since(begin); d > time.Second {
		t.Errorf("the second took over after %v", d)
	} else {
		t.Logf("the second took over after %v", d)
	}
	db.Exec(t, "INSERT INTO rows VALUES (2)")
	second.awaitRows(t, 1)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if first.ids() != "1" || second.ids() != "2" {
		t.Errorf("the first got %s, the second %s", first.ids(), second.ids())
	}
}

func TestIdleSlotMovesWithABusySiblingAndTheBarrierPasses(t *testing.T) {
	db, config := database(t)
	sibling := pgtest.Database(t, "CREATE TABLE noise (x text)")
	from := createSlot(t, config)
	f := newFeed(from)
	config.StatusInterval = time.Second
	conn := db.Conn(t)
	var r *running
	f.barrier = NewBarrier(func(ctx context.Context) (orgcast.LSN, error) {
		var text string
		if err := conn.QueryRow(ctx, "SELECT pg_current_wal_flush_lsn()::text").Scan(&text); err != nil {
			return 0, err
		}
		return orgcast.ParseLSN(text)
	}, func() { r.conn.RequestReply() }, BarrierOptions{})
	r = start(t, config, from, f)
	var worst time.Duration
	for range 50 {
		sibling.Exec(t, "INSERT INTO noise SELECT repeat('x', 1000) FROM generate_series(1, 100)")
		end := flushed(t, sibling.Conn(t))
		begin := time.Now()
		if err := f.barrier.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		worst = max(worst, time.Since(begin))
		f.mu.Lock()
		position := f.position
		f.mu.Unlock()
		if position < end {
			t.Fatalf("barrier passed at %v, the database was at %v", position, end)
		}
	}
	t.Logf("worst wait %v", worst)
	r.stop(t)
	if slot := readSlotOf(t, conn, config.Slot); slot.ConfirmedFlush != f.confirm() || slot.ConfirmedFlush <= from+5_000_000 {
		t.Errorf("idle slot went from %v to %v, ours %v", from, slot.ConfirmedFlush, f.confirm())
	}
}

func TestBarrierFollowsACommitToItsRow(t *testing.T) {
	db, config := database(t)
	from := createSlot(t, config)
	f := newFeed(from)
	conn := db.Conn(t)
	var r *running
	f.barrier = NewBarrier(func(context.Context) (orgcast.LSN, error) { return flushed(t, conn), nil }, func() { r.conn.RequestReply() }, BarrierOptions{})
	r = start(t, config, from, f)
	for n := range 100 {
		db.Exec(t, "INSERT INTO rows VALUES ($1)", n)
		if err := f.barrier.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.mu.Lock()
		got := len(f.rows)
		f.mu.Unlock()
		if got != n+1 {
			t.Fatalf("barrier passed with %d rows of %d", got, n+1)
		}
	}
	r.stop(t)
}

func TestHooksAndCloseFromAnotherGoroutine(t *testing.T) {
	_, config := database(t)
	from := createSlot(t, config)
	f := newFeed(from)
	confirmed, notices := make(chan orgcast.LSN, 100), make(chan string, 100)
	config.Hooks.Status = func(l orgcast.LSN, _ bool) { confirmed <- l }
	config.Hooks.Notice = func(code, _ string) { notices <- code }
	c := connect(t, config)
	if _, err := c.query(t.Context(), "warn", "DO $$ BEGIN RAISE WARNING 'look'; END $$"); err != nil {
		t.Fatal(err)
	}
	if code := <-notices; code != "01000" {
		t.Errorf("notice %s", code)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Stream(t.Context(), from, f.confirm, f) }()
	if got := <-confirmed; got != from {
		t.Errorf("first status confirms %v, want %v", got, from)
	}
	f.await(t, "first keepalive", func() bool { return f.position > 0 })
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, ErrDisconnected) {
		t.Errorf("closed stream ended with %v", err)
	}
	// A used-up connection refuses; it does not hang.
	if err := c.Stream(t.Context(), from, f.confirm, f); err == nil {
		t.Error("stream on a closed connection")
	}
}

func TestLargeFrameComesWhole(t *testing.T) {
	db, config := database(t)
	from := createSlot(t, config)
	f := newFeed(from)
	r := start(t, config, from, f)
	const size = 20 << 20
	db.Exec(t, "INSERT INTO rows (id, raw) VALUES (1, convert_to(repeat('x', $1), 'UTF8')), (2, NULL)", size)
	f.awaitRows(t, 2)
	r.stop(t)
	if got := len(f.rows[0][3]); got != 2+2*size {
		t.Errorf("value of %d bytes, want %d", got, 2+2*size)
	}
}

func TestTheSlotIsOneThatStandbysKeepWhereTheyCan(t *testing.T) {
	db, config := database(t)
	able := db.Major(t) >= 17
	config.Failover = true
	createSlot(t, config)
	slot := readSlotOf(t, db.Conn(t), config.Slot)
	if slot.Failover != able || slot.Synced {
		t.Errorf("failover %v, synced %v", slot.Failover, slot.Synced)
	}
	for _, want := range []bool{true, false, false, true} {
		config.Failover = want
		before := readSlotOf(t, db.Conn(t), config.Slot)
		changed, err := connect(t, config).KeepFailover(t.Context(), before)
		after := readSlotOf(t, db.Conn(t), config.Slot)
		if err != nil || changed != (able && before.Failover != want) || after.Failover != (able && want) {
			t.Errorf("kept as %v: changed %v, %v; it is %v", want, changed, err, after.Failover)
		}
	}
}

func TestAServerThatIsNotAcceptedIsPassedOver(t *testing.T) {
	db, config := database(t)
	good := config.URL
	// Nobody listens there; and the second is the first again, to the driver.
	u, err := url.Parse(config.URL)
	if err != nil {
		t.Fatal(err)
	}
	config.URL = strings.Replace(good, u.Host, "", 1) + "&host=127.0.0.1,127.0.0.1,127.0.0.1&port=1," + u.Port() + "," + u.Port()
	asked := 0
	config.Accept = func(_ context.Context, pg *pgconn.PgConn) error {
		if asked++; asked == 1 {
			return errors.New("not this one")
		}
		return nil
	}
	c := connect(t, config)
	here, err := c.Server(t.Context())
	if err != nil || asked != 2 {
		t.Errorf("%d servers were asked: %v", asked, err)
	}
	var there string
	conn := db.Conn(t)
	if _, err := conn.Exec(t.Context(), "SET timezone = UTC; SET datestyle = ISO"); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRow(t.Context(), ServerQuery).Scan(&there); err != nil || there != here {
		t.Errorf("one server is told apart: %q %q %v", here, there, err)
	}
	config.Accept = func(context.Context, *pgconn.PgConn) error { return errors.New("none of them") }
	if _, err := Connect(t.Context(), config); !errors.Is(err, ErrDisconnected) || !strings.Contains(err.Error(), "none of them") {
		t.Errorf("got %v", err)
	}
}
