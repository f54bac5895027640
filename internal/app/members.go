package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast/internal/setup"
)

// errMembers is a table of members that is not there, or of which the WAL does
// not tell all: nobody knows any more who belongs where.
var errMembers = errors.New("the table of members can't be followed")

// membersEvery is how often the table of members is looked at while streaming.
// The WAL does not tell that a table was dropped: what is committed in between is
// still sent to those who were members before.
const membersEvery = time.Second

// members tells what the table of members is in the catalog: its OID, and a text
// that changes with it, its identity, its columns and its place in the
// publication.
func (s *source) members(ctx context.Context, conn *pgx.Conn) (oid uint32, state string, err error) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	table := s.membership()
	err = conn.QueryRow(ctx, `SELECT c.oid, concat_ws(' ', c.oid, c.relkind, c.relreplident, c.relrowsecurity,
			(SELECT string_agg(concat_ws(':', a.attname, a.atttypid), ',' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
			(SELECT string_agg(concat_ws(':', r.oid, p.oid, p.xmin, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate), ',' ORDER BY r.oid)
			 FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = c.oid))
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = $2`, table.Schema, table.Name).Scan(&oid, &state)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, "none", nil // the check says so, with the cure
	}
	if err != nil {
		return 0, "", fmt.Errorf("look at the table of members: %w", err)
	}
	return oid, state, nil
}

// membership is the table of members.
func (s *source) membership() (table setup.Table) {
	for _, t := range s.setup.Tables {
		if t.Membership {
			table = t
		}
	}
	return table
}

// aboutMembers tells whether a problem keeps the WAL from telling who belongs
// where.
func (s *source) aboutMembers(p setup.Problem) bool {
	switch p.Code {
	case setup.PublicationMissing, setup.PublicationOptions:
		return true
	}
	return p.Table == s.membership().String()
}

// suspend lets nobody in, and nobody stay, until who belongs where is known
// again: see [source.load].
func (s *source) suspend() {
	s.hub.Suspend() // first: what is found in the directory now is let in no more
	s.directory.Forget()
	s.loaded = false
}
