package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
	var missing []string
	for _, p := range state.Fatal() {
		if p.Code == setup.ColumnMissing && s.served() {
			// A migration took it away. What needs it is withheld, and the rest need
			// not wait for somebody to mend the rules.
			missing = append(missing, p.Text)
			continue
		}
		err := fmt.Errorf("%s: %s", p.Code, p.Text)
		if p.Code == setup.RowSecurity {
			err = rowSecurityError{err}
		}
		fatal = append(fatal, orgcast.WithHint("check database", err, p.Hint))
	}
	if changed := !slices.Equal(missing, s.missing); changed && len(missing) > 0 {
		s.log.Error("tables lack columns that the rules name", "missing", strings.Join(missing, "; "),
			"hint", "Correct the rule file and restart: until then these columns are left out, and rows that can't do without them are withheld.")
	}
	s.missing = missing
	return errors.Join(fatal...)
}

// rowSecurityError is a table whose rows somebody means to hide, and of whose
// policies the rules do not speak.
type rowSecurityError struct{ error }

// refuses tells whether the process must not start: what is wrong can only be
// mended in the rules. Once it has served, it stays and says why it is stale.
func (s *source) refuses(err error) bool {
	_, hidden := errors.AsType[rowSecurityError](err)
	return hidden && !s.served()
}

// served tells whether the feed has been fresh once.
func (s *source) served() bool {
	select {
	case <-s.freshness.Ready():
		return true
	default:
		return false
	}
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
