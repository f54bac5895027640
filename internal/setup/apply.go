package setup

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Apply makes the database what cfg wants. It is idempotent: what is so
// already is left alone. It may fail in the middle; the application can write
// then as before, and a second Apply goes on from there.
func Apply(ctx context.Context, conn *pgx.Conn, cfg Config) (*Report, error) {
	cfg = cfg.withDefaults()
	report := &Report{}
	err := exclusively(ctx, conn, func() error {
		f, err := inspect(ctx, conn, cfg)
		if err != nil {
			return err
		}
		p, err := planApply(f, cfg)
		if err != nil {
			return err
		}
		report, err = run(ctx, conn, cfg, f, p)
		return err
	})
	return report, err
}

// Print writes the SQL that [Apply] would run now, for psql -f, and runs
// nothing. No password is in it.
func Print(ctx context.Context, conn *pgx.Conn, cfg Config, w io.Writer) error {
	cfg = cfg.withDefaults()
	f, err := inspect(ctx, conn, cfg)
	if err != nil {
		return err
	}
	p, err := planApply(f, cfg)
	if err != nil {
		return err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "-- orgcast setup for database %s, to be run by the owner of its tables.\n", oneLine(f.database))
	fmt.Fprintf(&text, "-- It may be run again, from a fresh --print, after a failure in the middle.\n")
	fmt.Fprintf(&text, "\\set ON_ERROR_STOP on\n")
	fmt.Fprintf(&text, "-- A waiting ALTER TABLE holds up the application: rather fail.\nSET lock_timeout = '%dms';\n", cfg.LockTimeout.Milliseconds())
	for _, s := range p.steps {
		if s.done {
			fmt.Fprintf(&text, "\n-- already so: %s\n", oneLine(s.name))
			continue
		}
		fmt.Fprintf(&text, "\n-- %s\n", oneLine(s.name))
		if s.optional != nil {
			fmt.Fprintf(&text, "-- (needs a superuser; %s)\n", oneLine(s.optional.Text))
		}
		writeStatements(&text, s.printed())
	}
	for _, w := range p.warnings {
		fmt.Fprintf(&text, "\n-- warning: %s\n--   %s\n", oneLine(w.Text), oneLine(w.Hint))
	}
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("print setup: %w", err)
	}
	return nil
}

// writeStatements keeps together what one step must not do in part.
func writeStatements(text *strings.Builder, statements []string) {
	var sql, notes []string
	for _, s := range statements {
		if strings.HasPrefix(s, "--") {
			notes = append(notes, s)
		} else {
			sql = append(sql, s+";")
		}
	}
	if len(sql) > 1 {
		sql = append(append([]string{"BEGIN;"}, sql...), "COMMIT;")
	}
	for _, line := range append(sql, notes...) {
		text.WriteString(line + "\n")
	}
}
