package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/pgtest"
)

const schema = `
	CREATE TABLE rows (id bigint PRIMARY KEY, at timestamptz, span interval, raw bytea, num float8);
	CREATE TABLE unpublished (id bigint PRIMARY KEY);
	CREATE PUBLICATION feed FOR TABLE rows`

// patience bounds every wait for the real server.
const patience = time.Minute

// feed is a handler that decodes with pglogrepl and remembers.
type feed struct {
	mu        sync.Mutex
	changed   chan struct{} // closed and renewed whenever something came
	relations map[uint32]*pglogrepl.RelationMessage
	open      [][]string
	rows      [][]string    // of committed transactions, column texts
	ends      []orgcast.LSN // of their transactions, one a row
	durable   orgcast.LSN   // what confirm returns
	position  orgcast.LSN   // the largest keepalive outside a transaction
	inside    bool
	hold      bool // durable does not follow
	barrier   *Barrier
}

func newFeed(start orgcast.LSN) *feed {
	return &feed{changed: make(chan struct{}), relations: map[uint32]*pglogrepl.RelationMessage{}, durable: start}
}

func (f *feed) confirm() orgcast.LSN {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.durable
}

func (f *feed) Frame(start orgcast.LSN, frame []byte) error {
	m, err := pglogrepl.Parse(slices.Clone(frame))
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch m := m.(type) {
	case *pglogrepl.RelationMessage:
		f.relations[m.RelationID] = m
	case *pglogrepl.BeginMessage:
		f.inside = true
	case *pglogrepl.InsertMessage:
		var row []string
		for _, c := range m.Tuple.Columns {
			row = append(row, string(c.Data))
		}
		f.open = append(f.open, row)
	case *pglogrepl.CommitMessage:
		if end := orgcast.LSN(m.TransactionEndLSN); start != end {
			return fmt.Errorf("commit that ends at %v came with start %v", end, start)
		}
		for _, row := range f.open {
			f.rows, f.ends = append(f.rows, row), append(f.ends, start)
		}
		f.open, f.inside = nil, false
		f.advance(start)
	}
	return nil
}

func (f *feed) Keepalive(end orgcast.LSN, _ bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.inside {
		f.position = max(f.position, end)
		f.advance(end)
	}
	return nil
}

func (f *feed) advance(end orgcast.LSN) {
	if !f.hold {
		f.durable = max(f.durable, end)
	}
	if f.barrier != nil {
		f.barrier.Passed(end)
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

// await returns when done, called under the lock, says so.
func (f *feed) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	timeout := time.After(patience)
	for {
		f.mu.Lock()
		ok, changed, n := done(), f.changed, len(f.rows)
		f.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("%s did not come; %d rows did", what, n)
		}
	}
}

func (f *feed) awaitRows(t *testing.T, n int) {
	t.Helper()
	f.await(t, fmt.Sprintf("row %d", n), func() bool { return len(f.rows) >= n })
}

func (f *feed) ids() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []string
	for _, row := range f.rows {
		ids = append(ids, row[0])
	}
	return strings.Join(ids, " ")
}

// database makes a database and a role that may replicate and nothing else.
func database(t *testing.T) (*pgtest.DB, Config) {
	t.Helper()
	db := pgtest.Database(t, schema)
	role := db.Role("feed")
	db.Exec(t, "CREATE ROLE "+role+" LOGIN REPLICATION PASSWORD 'feed pass'")
	return db, Config{
		URL: db.URLAs(role, "feed pass"), Slot: db.Name + "_slot", Publication: "feed",
		StatusInterval: 50 * time.Millisecond,
	}
}

func connect(t *testing.T, config Config) *Conn {
	t.Helper()
	c, err := Connect(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// createSlot makes the slot on a connection of its own.
func createSlot(t *testing.T, config Config) orgcast.LSN {
	t.Helper()
	_, consistent, err := connect(t, config).CreateSlot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return consistent
}

// running is a stream in a goroutine.
type running struct {
	conn   *Conn
	cancel context.CancelFunc
	ended  chan error
}

func start(t *testing.T, config Config, from orgcast.LSN, f *feed) *running {
	t.Helper()
	r := &running{conn: connect(t, config), ended: make(chan error, 1)}
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(t.Context())
	t.Cleanup(r.cancel)
	go func() { r.ended <- r.conn.Stream(ctx, from, f.confirm, f) }()
	// The first reply shows that it runs.
	f.await(t, "first keepalive", func() bool { return f.position > 0 })
	return r
}

func (r *running) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	if err := r.end(t); !errors.Is(err, context.Canceled) {
		t.Errorf("stream ended with %v", err)
	}
}

func (r *running) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.ended:
		r.ended <- err
		return err
	case <-time.After(patience):
		t.Fatal("stream does not end")
		return nil
	}
}
