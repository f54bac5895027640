package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
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
		err := fmt.Errorf("%s: %s", p.Code, p.Text)
		if s.aboutMembers(p) {
			err = fmt.Errorf("%w: %w", err, errMembers)
		}
		fatal = append(fatal, orgcast.WithHint("check database", err, p.Hint))
	}
	return errors.Join(fatal...)
}

// checkEvery is how often the publication and the tables are looked at while
// streaming: a table that a migration made anew sends nothing, not even that.
const checkEvery = 10 * time.Second

// watch looks at the database while the stream runs: at all of it every
// checkEvery, and as soon as the table of members is not what it was.
func (s *source) watch(ctx context.Context, look *inspector, fingerprint string) error {
	ticker := time.NewTicker(membersEvery)
	defer ticker.Stop()
	var members string
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		look.mu.Lock()
		_, state, err := s.members(ctx, look.conn)
		now := fingerprint
		if err == nil && (state != members || time.Since(last) >= checkEvery) {
			members, last = state, time.Now()
			if err = s.check(ctx, look.conn); err == nil {
				now, err = s.fingerprint(ctx, look.conn)
			}
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
