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
		members := s.aboutMembers(p)
		if p.Code == setup.ColumnMissing && s.served() && !members {
			// A migration took it away. What needs it is withheld, and the rest need
			// not wait for somebody to mend the rules.
			missing = append(missing, p.Text)
			continue
		}
		err := fmt.Errorf("%s: %s", p.Code, p.Text)
		if p.Code == setup.RowSecurity {
			err = rowSecurityError{err}
		}
		if members {
			err = fmt.Errorf("%w: %w", err, errMembers)
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

// tables tells what the rules' tables are called, by OID.
func (s *source) tables(ctx context.Context, conn *pgx.Conn) (map[uint32]string, error) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	names := make([]string, 0, len(s.setup.Tables))
	for _, t := range s.setup.Tables {
		names = append(names, t.String())
	}
	rows, err := conn.Query(ctx, `SELECT c.oid, n.nspname || '.' || c.relname FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname || '.' || c.relname = ANY ($1)`, names)
	if err != nil {
		return nil, fmt.Errorf("look at the tables: %w", err)
	}
	tables := make(map[uint32]string, len(names))
	var oid uint32
	var name string
	_, err = pgx.ForEachRow(rows, []any{&oid, &name}, func() error {
		tables[oid] = name
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look at the tables: %w", err)
	}
	return tables, nil
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
	if err == nil {
		s.seen.saw(slot)
	}
	return err
}

// watch looks at the database while the stream runs: at all of it every
// checkEvery, and as soon as the table of members is not what it was; every second
// at whether the WAL may have left something out, and whether the log has room.
func (s *source) watch(ctx context.Context, look *inspector, fingerprint wal) error {
	ticker := time.NewTicker(membersEvery)
	defer ticker.Stop()
	look.mu.Lock()
	err := s.lookAtSlot(ctx, look)
	look.mu.Unlock()
	if err != nil {
		return err
	}
	var members string
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := s.room(); err != nil {
			return err
		}
		look.mu.Lock()
		_, state, err := s.members(ctx, look.conn)
		now := fingerprint
		if err == nil && (state != members || time.Since(last) >= checkEvery) {
			members, last = state, time.Now()
			err = errors.Join(s.lookAtSlot(ctx, look), s.check(ctx, look.conn))
		}
		if err == nil {
			now, err = s.fingerprint(ctx, look.conn)
		}
		look.mu.Unlock()
		switch {
		case err != nil:
			return err
		case now != fingerprint:
			return orgcast.WithHint("check database", errors.New("the publication, or a table in it, was altered so that the WAL may not have told of all its rows"),
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
