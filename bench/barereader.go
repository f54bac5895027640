//go:build linux

package main

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/pgoutput"
	"github.com/oikion/orgcast/internal/replication"
	"github.com/oikion/orgcast/internal/route"
)

// bareReader reads a slot as orgcast does, up to the finished events, and throws
// them away. It runs in this process, which does nothing else meanwhile.
type bareReader struct {
	db     *pgx.Conn
	config replication.Config

	// of one reading
	decoder *pgoutput.Decoder
	router  *route.Router
	out     route.Output
	at      atomic.Uint64 // everything before it was read
	until   orgcast.LSN
	stop    context.CancelFunc
}

func newBareReader(h *house) *bareReader {
	return &bareReader{db: h.db, config: replication.Config{URL: h.cluster.URL(database), Slot: "bench_bare", Publication: "orgcast"}}
}

// create makes the slot.
func (b *bareReader) create(ctx context.Context) error {
	_, err := b.db.Exec(ctx, "SELECT pg_create_logical_replication_slot($1, 'pgoutput')", b.config.Slot)
	return err
}

// nobody is a member.
type nobody struct{}

func (nobody) Membership(orgcast.UserID, orgcast.OrganizationID) (orgcast.Membership, bool) {
	return orgcast.Membership{}, false
}

// read reads up to an LSN, and returns what CPU that took.
func (b *bareReader) read(ctx context.Context, until orgcast.LSN) (used time.Duration, err error) {
	rules, err := route.Preset("oikion")
	if err != nil {
		return 0, err
	}
	var text string
	if err := b.db.QueryRow(ctx, "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = $1", b.config.Slot).Scan(&text); err != nil {
		return 0, err
	}
	start, err := orgcast.ParseLSN(text)
	if err != nil {
		return 0, err
	}
	b.decoder, b.router, b.until = pgoutput.NewDecoder(), route.New(rules, nobody{}, route.Hooks{}), until
	b.at.Store(uint64(start))
	streaming, stop := context.WithCancel(ctx)
	defer stop()
	b.stop = stop
	before, err := ourCPU()
	if err != nil {
		return 0, err
	}
	conn, err := replication.Connect(ctx, b.config)
	if err != nil {
		return 0, err
	}
	err = conn.Stream(streaming, start, func() orgcast.LSN { return orgcast.LSN(b.at.Load()) }, b)
	if err := errors.Join(ctx.Err(), conn.Close()); err != nil {
		return 0, err
	}
	if orgcast.LSN(b.at.Load()) < until {
		return 0, err
	}
	after, err := ourCPU()
	return after - before, err
}

// Frame is of [replication.Handler].
func (b *bareReader) Frame(_ orgcast.LSN, frame []byte) error {
	m, err := b.decoder.Decode(frame)
	if err != nil {
		return err
	}
	switch m.Kind {
	case pgoutput.KindBegin:
		b.router.Begin(m.Transaction, 1)
	case pgoutput.KindInsert, pgoutput.KindUpdate, pgoutput.KindDelete, pgoutput.KindTruncate, pgoutput.KindMessage:
		b.router.Route(m.Change, &b.out)
	case pgoutput.KindCommit:
		b.router.Commit(&b.out)
		b.out.Reset()
		b.reached(m.Transaction.EndLSN)
	}
	return nil
}

// Keepalive is of [replication.Handler].
func (b *bareReader) Keepalive(end orgcast.LSN, _ bool) error {
	b.reached(end)
	return nil
}

func (b *bareReader) reached(at orgcast.LSN) {
	b.at.Store(max(b.at.Load(), uint64(at)))
	if at >= b.until {
		b.stop()
	}
}

// ourCPU is what this process has computed, its children not counted.
func ourCPU() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
