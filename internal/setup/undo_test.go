package setup

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oikion/orgcast"
)

func TestUndoGivesBackEverythingAsItWas(t *testing.T) {
	w := newWorld(t)
	before := w.state(t)
	w.apply(t)
	w.Exec(t, `SELECT pg_create_logical_replication_slot('`+w.cfg.Slot+`', 'pgoutput')`)
	// The record alone knows: another machine, whose rules have changed.
	w.cfg.Tables, w.cfg.Role, w.cfg.RolePassword = nil, "", ""
	if report := w.undo(t); len(report.Warnings) != 0 {
		t.Errorf("warnings: %+v", report.Warnings)
	}
	differ(t, "state", w.state(t), before)
	w.write(t, w.ConnAs(t, w.app, "app"), "after undo")
	if report := w.undo(t); report.Changed() {
		t.Errorf("a second undo did %+v", report.Steps)
	}
}

func TestUndoGoesOnAfterAFailureInTheMiddle(t *testing.T) {
	w := newWorld(t)
	before := w.state(t)
	w.apply(t)
	conn := w.Conn(t)
	f, err := inspect(t.Context(), conn, w.cfg.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	rec, ours := f.record()
	p, err := planUndo(f, w.cfg, rec, ours)
	if err != nil {
		t.Fatal(err)
	}
	for n, s := range p.steps[:len(p.steps)-1] {
		if n%3 == 0 && !s.done { // every third step, and not in order
			if err := attempt(t.Context(), conn, w.cfg.withDefaults(), s); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.undo(t)
	differ(t, "state", w.state(t), before)
}

func TestUndoOfAnUnfinishedSetup(t *testing.T) {
	w := newWorld(t)
	before := w.state(t)
	conn, cfg := w.Conn(t), w.cfg.withDefaults()
	f, err := inspect(t.Context(), conn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	p, err := planApply(f, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.steps[:len(p.steps)/2] {
		if !s.done {
			if err := attempt(t.Context(), conn, cfg, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.undo(t)
	differ(t, "state", w.state(t), before)
}

func TestUndoOfAnActiveSlotNamesWhoReadsIt(t *testing.T) {
	w := newWorld(t)
	w.apply(t)
	w.Exec(t, `SELECT pg_create_logical_replication_slot('`+w.cfg.Slot+`', 'pgoutput')`)
	before := w.state(t)
	stream := replicationConn(t, w)
	startReplication(t, stream, w)
	_, err := Undo(t.Context(), w.Conn(t), w.cfg)
	wantHinted(t, err, "pid "+strconv.Itoa(int(stream.PID())), "application reader-app")
	if !strings.Contains(orgcast.Hint(err), "stop orgcast") {
		t.Errorf("hint: %s", orgcast.Hint(err))
	}
	differ(t, "state", w.state(t), before)
}

func TestUndoRefusesWhatIsNotOurs(t *testing.T) {
	for name, sql := range map[string]string{
		"somebody's publication": `CREATE PUBLICATION orgcast FOR TABLE clients`,
		"another plugin's slot":  `SELECT pg_create_logical_replication_slot('%s', 'test_decoding')`,
		"a physical slot":        `SELECT pg_create_physical_replication_slot('%s')`,
		"a newer record":         `CREATE PUBLICATION orgcast; COMMENT ON PUBLICATION orgcast IS '{"orgcast":2}'`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Exec(t, strings.ReplaceAll(sql, "%s", w.cfg.Slot))
			before := w.state(t)
			_, err := Undo(t.Context(), w.Conn(t), w.cfg)
			wantHinted(t, err)
			differ(t, "state", w.state(t), before)
			if name == "a physical slot" { // it belongs to no database, so no cleanup finds it
				w.Exec(t, `SELECT pg_drop_replication_slot('`+w.cfg.Slot+`')`)
			}
		})
	}
}

func TestSomebodysPublicationIsGivenBack(t *testing.T) {
	w := newWorld(t)
	w.Exec(t, `CREATE PUBLICATION orgcast FOR TABLE clients WITH (publish_via_partition_root); COMMENT ON PUBLICATION orgcast IS 'the ''BI'' team''s'`)
	before := w.state(t)
	w.apply(t)
	w.undo(t)
	differ(t, "state", w.state(t), before)
}

func TestUndoLeavesALaterChoiceAndSaysWhatIsGone(t *testing.T) {
	w := newWorld(t)
	w.apply(t)
	w.Exec(t, `DROP INDEX by_index_key; DROP TABLE notes; ALTER TABLE keyless REPLICA IDENTITY NOTHING`)
	report := w.undo(t)
	var said []string
	for _, p := range report.Warnings {
		said = append(said, string(p.Code)+" "+p.Table)
	}
	for _, want := range []string{"table_missing public.notes", "identity_changed public.by_index", "identity_changed public.keyless"} {
		if !strings.Contains(strings.Join(said, ","), want) {
			t.Errorf("warnings %q lack %q", said, want)
		}
	}
}

func TestARoleThatIsUsedElsewhereIsKept(t *testing.T) {
	w := newWorld(t)
	w.apply(t)
	w.Exec(t, `CREATE SCHEMA AUTHORIZATION `+w.cfg.Role)
	report := w.undo(t)
	if p := find(report.Warnings, RoleKept); p == nil || p.Hint == "" {
		t.Errorf("warnings: %+v", report.Warnings)
	}
}

func TestAPreparedRoleGetsGrantsOnlyAndOutlivesUndo(t *testing.T) {
	w := newWorld(t)
	w.Exec(t, `CREATE ROLE `+w.cfg.Role+` LOGIN REPLICATION PASSWORD 'their own'`)
	before := w.state(t)
	w.apply(t)
	if _, err := pgconn.Connect(t.Context(), w.URLAs(w.cfg.Role, rolePassword)); sqlState(err) != "28P01" {
		t.Errorf("the password of a role that is not ours was set: %v", err)
	}
	state, err := Check(t.Context(), w.ConnAs(t, w.cfg.Role, "their own"), w.cfg)
	if err != nil || len(state.Problems) != 0 {
		t.Errorf("problems: %+v, %v", state, err)
	}
	w.undo(t)
	differ(t, "state", w.state(t), before)
}

func TestANewRoleNameAsksForUndoFirst(t *testing.T) {
	w := newWorld(t)
	w.apply(t)
	w.cfg.Role = w.Role("other")
	_, err := Apply(t.Context(), w.Conn(t), w.cfg)
	wantHinted(t, err, "before")
	if he, ok := errors.AsType[*orgcast.Error](err); !ok || !strings.Contains(he.Hint, "--undo") {
		t.Errorf("hint: %s", orgcast.Hint(err))
	}
}
