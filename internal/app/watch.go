package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/replication"
	"github.com/oikion/orgcast/internal/route"
	"github.com/oikion/orgcast/internal/setup"
)

// check holds the database against what the rules need.
func (s *source) check(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	state, err := setup.Check(ctx, conn, s.setup)
	if err != nil {
		return err
	}
	var fatal []error
	for _, p := range state.Fatal() {
		fatal = append(fatal, orgcast.WithHint("check database", fmt.Errorf("%s: %s", p.Code, p.Text), p.Hint))
	}
	return errors.Join(fatal...)
}

// checkEvery is how often the publication and the tables are looked at while
// streaming: a table that a migration made anew sends nothing, not even that.
const checkEvery = 10 * time.Second

// lookAtSlot remembers the slot as it is, for the figures. look.mu is held.
func (s *source) lookAtSlot(ctx context.Context, look *inspector) error {
	slot, err := replication.ReadSlot(ctx, look.conn, s.slot)
	if err == nil && slot != nil { // without one the stream breaks by itself
		s.slotSeen.Store(slot)
	}
	return err
}

// watch looks at the database while the stream runs.
func (s *source) watch(ctx context.Context, look *inspector, fingerprint string) error {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	look.mu.Lock()
	err := s.lookAtSlot(ctx, look)
	look.mu.Unlock()
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		look.mu.Lock()
		err := errors.Join(s.lookAtSlot(ctx, look), s.check(ctx, look.conn))
		now := fingerprint
		if err == nil {
			now, err = s.fingerprint(ctx, look.conn)
		}
		look.mu.Unlock()
		switch {
		case err != nil:
			return err
		case now != fingerprint:
			return orgcast.WithHint("check database", errors.New("the publication, or a table in it, was made anew"),
				"Nothing is to be done: a new epoch begins, and clients refetch.")
		}
	}
}

// learnTypes reads the database's types. Of a table that is given, those that are
// gone by now are taken for text.
func (s *source) learnTypes(ctx context.Context, look *inspector, rel *orgcast.Relation) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	look.mu.Lock()
	defer look.mu.Unlock()
	types, err := readTypes(ctx, look.conn)
	if err != nil {
		return err
	}
	if rel != nil {
		for _, c := range rel.Columns {
			if _, ok := types[c.TypeOID]; !ok {
				types[c.TypeOID] = route.Type{}
			}
		}
	}
	s.router.SetTypes(types)
	return nil
}
