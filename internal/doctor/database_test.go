package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oikion/orgcast/internal/cluster"
	"github.com/oikion/orgcast/internal/replication"
	"github.com/oikion/orgcast/internal/setup"
)

func TestASoundInstallationHasNothingButNotes(t *testing.T) {
	w := newWorld(t)
	w.Exec(t, `SELECT pg_create_logical_replication_slot('`+w.slot()+`', 'pgoutput')`)
	before := w.state(t)
	r := w.examine(t)
	if bad := worse(r); len(bad) > 0 || !r.Sound(true) || len(r.Skipped) > 0 {
		t.Errorf("found %+v, skipped %v", r.Findings, r.Skipped)
	}
	want(t, r.Findings, TenantUnmapped, Note, "", "public.users")
	want(t, r.Findings, SlotWithoutLog, Note, "", "ORGCAST_DATA_DIR")
	good := strings.Join(r.Good, "\n")
	for _, subject := range []string{"configuration", "sessions", "origins", "rules", "data directory", "database", "clocks", "replication", "slot", "database objects"} {
		if !strings.Contains("\n"+good, "\n"+subject+": ") {
			t.Errorf("nothing good is said of %s:\n%s", subject, good)
		}
	}
	if after := w.state(t); after != before {
		t.Errorf("the doctor changed something:\n%s\nbefore:\n%s", after, before)
	}
}

// state is what a doctor could change: the slot, the publication, the disk.
func (w *world) state(t *testing.T) string {
	t.Helper()
	var text string
	err := w.Conn(t).QueryRow(t.Context(), `
		SELECT (SELECT string_agg(format('%s %s %s %s', slot_name, active, restart_lsn, confirmed_flush_lsn), ';') FROM pg_replication_slots WHERE database = current_database())
		|| (SELECT string_agg(p.xmin::text || r.prrelid::text, ';' ORDER BY r.prrelid) FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid)
		|| (SELECT string_agg(c.relname || c.xmin::text, ';' ORDER BY c.oid) FROM pg_class c WHERE c.oid >= 16384 AND relkind = 'r')`).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.Walk(w.env["ORGCAST_DATA_DIR"], func(path string, info os.FileInfo, err error) error {
		if err == nil {
			text += "\n" + path + info.Mode().String()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestWhatIsWrongWithTheDatabaseIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		plant    string // %r is orgcast's role, %a the application's, %s the slot, %d the database
		opts     Options
		set      map[string]string // %u is the database's address
		want     Code
		severity Severity
		table    string
		text     string
		since    int // the PostgreSQL that can be so
	}{
		"nobody answers":       {set: map[string]string{"ORGCAST_DATABASE_URL": "postgresql://a:" + canaryPassword + "@127.0.0.1:1/d"}, want: DatabaseUnreachable, severity: Fatal, text: "127.0.0.1"},
		"no TLS there":         {set: map[string]string{"ORGCAST_DATABASE_URL": "%u&sslmode=require"}, want: DatabaseTLS, severity: Fatal, text: "certificate"},
		"wrong password":       {plant: `ALTER ROLE %r PASSWORD 'other'`, want: DatabasePassword, severity: Fatal, text: "ORGCAST_DATABASE_URL"},
		"role may not log in":  {plant: `ALTER ROLE %r NOLOGIN`, want: DatabasePassword, severity: Fatal, text: "log in"},
		"no connection left":   {plant: `ALTER ROLE %r CONNECTION LIMIT 0`, want: DatabaseFull, severity: Fatal, text: "max_connections"},
		"one connection only":  {plant: `ALTER ROLE %r NOREPLICATION`, want: Code(setup.RoleNoReplication), severity: Fatal, text: "REPLICATION"},
		"role is a superuser":  {plant: `ALTER ROLE %r SUPERUSER`, want: Code(setup.RoleSuperuser), severity: Warning, text: "orgcast's own"},
		"role owns a table":    {plant: `ALTER TABLE notes OWNER TO %r`, want: Code(setup.RoleOwner), severity: Warning, text: "application"},
		"role is the app's":    {plant: `GRANT %a TO %r`, want: Code(setup.RoleShared), severity: Warning, text: "member"},
		"role has BYPASSRLS":   {plant: `ALTER ROLE %r BYPASSRLS`, want: Code(setup.RoleBypassRLS), severity: Warning, text: "NOBYPASSRLS"},
		"may not read":         {plant: `REVOKE SELECT ON clients FROM %r`, want: Code(setup.ReadDenied), severity: Fatal, table: "public.clients", text: "setup"},
		"policies hide rows":   {plant: `ALTER TABLE clients ENABLE ROW LEVEL SECURITY`, want: Code(setup.ReadRowSecurity), severity: Fatal, table: "public.clients", text: "BYPASSRLS"},
		"no publication":       {plant: `DROP PUBLICATION orgcast`, want: Code(setup.PublicationMissing), severity: Fatal, text: "setup"},
		"for all tables":       {plant: `DROP TABLE verification_tokens, "_AToB"; DROP PUBLICATION orgcast; CREATE PUBLICATION orgcast FOR ALL TABLES WITH (publish_via_partition_root)`, want: Code(setup.PublicationAllTables), severity: Warning, text: "names the tables"},
		"sign-in would fail":   {plant: `DROP PUBLICATION orgcast; CREATE PUBLICATION orgcast FOR ALL TABLES WITH (publish_via_partition_root)`, want: Code(setup.IdentityMissing), severity: Fatal, table: "public.verification_tokens", text: "UPDATE and DELETE fail"},
		"deletes left out":     {plant: `ALTER PUBLICATION orgcast SET (publish = 'insert, update')`, want: Code(setup.PublicationOptions), severity: Fatal, text: "every operation"},
		"child not published":  {plant: `ALTER PUBLICATION orgcast DROP TABLE notes`, want: Code(setup.TableNotPublished), severity: Fatal, table: "public.notes", text: "setup"},
		"parent not published": {plant: `ALTER PUBLICATION orgcast DROP TABLE clients`, want: Code(setup.TableNotPublished), severity: Fatal, table: "public.clients", text: "public.notes"},
		"join table published": {plant: `ALTER PUBLICATION orgcast ADD TABLE "_AToB"`, want: Code(setup.IdentityMissing), severity: Fatal, table: "public._AToB", text: "many-to-many"},
		"published for nobody": {plant: `ALTER PUBLICATION orgcast ADD TABLE users`, want: Code(setup.TableUnmapped), severity: Warning, table: "public.users", text: "DROP TABLE"},
		"table dropped":        {plant: `DROP TABLE notes`, want: Code(setup.TableMissing), severity: Fatal, table: "public.notes", text: "migrations"},
		"table is a view":      {plant: `DROP TABLE notes; CREATE VIEW notes AS SELECT 1 AS id`, want: Code(setup.TableKind), severity: Fatal, table: "public.notes", text: "view"},
		"column dropped":       {plant: `ALTER TABLE organizations DROP COLUMN name`, want: Code(setup.ColumnMissing), severity: Fatal, table: "public.organizations", text: "name"},
		"column generated": {plant: `ALTER TABLE organizations DROP COLUMN name; ALTER TABLE organizations ADD name text GENERATED ALWAYS AS ('x') STORED`,
			want: Code(setup.ColumnGenerated), severity: Fatal, table: "public.organizations", text: "name"},
		"identity default":   {plant: `ALTER TABLE notes REPLICA IDENTITY DEFAULT`, want: Code(setup.IdentityNotFull), severity: Fatal, table: "public.notes", text: "DELETE"},
		"identity nothing":   {plant: `ALTER TABLE notes REPLICA IDENTITY NOTHING`, want: Code(setup.IdentityMissing), severity: Fatal, table: "public.notes", text: "nothing"},
		"identity's index":   {plant: `ALTER TABLE notes ALTER "createdBy" SET NOT NULL; CREATE UNIQUE INDEX i ON notes (id, "createdBy"); ALTER TABLE notes REPLICA IDENTITY USING INDEX i; DROP INDEX i`, want: Code(setup.IdentityMissing), severity: Fatal, table: "public.notes", text: "dropped"},
		"column list":        {plant: `CREATE PUBLICATION other FOR TABLE notes (id)`, want: Code(setup.ColumnList), severity: Fatal, table: "public.notes", text: "other", since: 15},
		"row filter":         {plant: `ALTER PUBLICATION orgcast DROP TABLE notes; ALTER PUBLICATION orgcast ADD TABLE notes WHERE (id > 'x')`, want: Code(setup.RowFilter), severity: Fatal, table: "public.notes", text: "silence", since: 15},
		"row-level security": {plant: `ALTER TABLE notes ENABLE ROW LEVEL SECURITY`, want: Code(setup.RowSecurity), severity: Fatal, table: "public.notes", text: "tenant_only"},
		"new tenant's table": {plant: `CREATE TABLE invoices (id int, org_id text)`, want: TenantUnmapped, severity: Note, text: "public.invoices"},
		"async database":     {plant: `ALTER DATABASE %d SET synchronous_commit = off`, want: CommitAsync, severity: Warning, text: "database test"},
		"async role":         {plant: `ALTER ROLE %a SET synchronous_commit = off`, want: CommitAsync, severity: Warning, text: "160 to 420 ms"},
		"async role here":    {plant: `ALTER ROLE %a IN DATABASE %d SET synchronous_commit = off`, want: CommitAsync, severity: Warning, text: "in database"},
		"clocks apart":       {opts: Options{Now: func() time.Time { return time.Now().Add(5 * time.Second) }}, want: ClockSkew, severity: Warning, text: "behind"},
		"slot of a plugin":   {plant: `SELECT pg_create_logical_replication_slot('%s', 'test_decoding')`, want: Code(setup.SlotForeign), severity: Fatal, text: "another slot name"},
		"slot keeps WAL":     {plant: `SELECT pg_create_logical_replication_slot('%s', 'pgoutput'); CREATE TABLE x (y text); INSERT INTO x SELECT repeat('x', 1000) FROM generate_series(1, 100)`, opts: Options{Retained: 1}, want: SlotRetains, severity: Warning, text: "pg_drop_replication_slot"},
	} {
		t.Run(name, func(t *testing.T) {
			// A role's setting is seen from every database of the cluster: who plants
			// one is alone.
			if name != "async role" {
				t.Parallel()
			}
			w := newWorld(t)
			if w.Major(t) < c.since {
				return
			}
			w.opts = c.opts
			if c.plant != "" {
				w.Exec(t, w.names().Replace(c.plant))
			}
			for variable, value := range c.set {
				value = strings.ReplaceAll(value, "%u&", strings.ReplaceAll(w.env["ORGCAST_DATABASE_URL"], "sslmode=disable", "")+"&")
				w.env[variable] = strings.ReplaceAll(value, "?&", "?")
			}
			r := w.examine(t)
			want(t, r.Findings, c.want, c.severity, c.table, c.text)
			if r.Sound(false) != (c.severity != Fatal) {
				t.Errorf("sound: %v, with %+v", r.Sound(false), r.Findings)
			}
			if r.Sound(true) != (c.severity == Note) {
				t.Errorf("sound, strictly: %v, with %+v", r.Sound(true), r.Findings)
			}
		})
	}
}

func TestADatabaseThatIsNotThereIsNamed(t *testing.T) {
	w := newWorld(t)
	w.env["ORGCAST_DATABASE_URL"] = strings.Replace(w.env["ORGCAST_DATABASE_URL"], "/"+w.Name+"?", "/elsewhere?", 1)
	want(t, w.examine(t).Findings, DatabaseMissing, Fatal, "", "elsewhere")
}

// What a server answers that can't be had here.
func TestRefusalsOfOtherServersAreToldApart(t *testing.T) {
	for code, c := range map[Code]*pgconn.PgError{
		DatabaseRefused: {Code: "28000", Message: `no pg_hba.conf entry for host "10.0.0.1"`},
		DatabasePooler:  {Code: "08P01", Message: "unsupported startup parameter: statement_timeout"},
	} {
		want(t, []Finding{unreachable(c, "h")}, code, Fatal, "", c.Message)
	}
	s := &Scene{report: &Report{}}
	for code, err := range map[Code]error{
		DatabasePooler: replication.ErrPooler, DatabaseRefused: replication.ErrHostRefused, Code(setup.WALLevel): replication.ErrNotLogical,
		Code(setup.ServerTooOld): replication.ErrVersion, ReplicationRefused: errors.New("x"),
	} {
		want(t, refusedReplication(s, err), code, Fatal, "", "replication connection")
	}
	want(t, failed("look", errors.New("no")), CheckFailed, Warning, "", "look: no")
}

// Servers of other versions, and settings that would keep a test from writing.
func TestServersThatCannotBeHadHereAreJudgedByTheirFacts(t *testing.T) {
	if out := serverFindings(server{commit: "on", keep: 1 << 14, timeout: "1min", idle: "0", maxWAL: 10}); len(out) > 0 {
		t.Errorf("a good server: %+v", out)
	}
	f := server{commit: "off", commitSource: "user", asyncFor: []string{"role x"}, standbys: "ANY 1 (a, b)", keep: minKeep - 1, timeout: "0", idle: "1h", maxWAL: 10, senders: 9}
	out := serverFindings(f)
	want(t, out, CommitAsync, Warning, "", "role x")
	want(t, out, CommitWaits, Warning, "", "ORGCAST_DISPATCH=visible")
	want(t, out, WALKeepSmall, Warning, "", "255 MiB")
	want(t, out, WALSenderTimeout, Note, "", "30s")
	want(t, out, SlotIdleTimeout, Warning, "", "1h")
	want(t, out, WALSendersFew, Note, "", "max_wal_senders")
	good := server{commit: "on", keep: 1 << 14, timeout: "1min", maxWAL: 10}
	for _, c := range []struct {
		standbys string
		visible  bool
		want     []Code
	}{
		{"ANY 1 (a, b)", true, []Code{}},
		{"", true, []Code{DispatchIdle}},
		{"*", false, []Code{CommitWaits, OwnStandby}},
		{"a, orgcast", true, []Code{OwnStandby}},
	} {
		f := good
		f.standbys, f.visible = c.standbys, c.visible
		codes := []Code{}
		for _, f := range serverFindings(f) {
			codes = append(codes, f.Code)
			if fatal := f.Severity == Fatal; fatal != (f.Code == OwnStandby && c.visible) {
				t.Errorf("%+v", f)
			}
		}
		if !slices.Equal(codes, c.want) {
			t.Errorf("%q, visible %v: %v, want %v", c.standbys, c.visible, codes, c.want)
		}
	}
}

func TestWhatAFailoverWouldDoIsToldByTheFacts(t *testing.T) {
	standby := []string{"standby"}
	for name, c := range map[string]struct {
		facts standbys
		want  Code // "": nothing
		text  string
	}{
		"one server, old":               {standbys{}, "", ""},
		"one server, new":               {standbys{able: true, wanted: true}, "", ""},
		"one server, not wanted":        {standbys{able: true}, "", ""},
		"several, old":                  {standbys{several: true, version: "16.1"}, FailoverNone, "16.1"},
		"a standby, not wanted":         {standbys{able: true, physical: standby, connected: standby}, FailoverOff, "sync_replication_slots"},
		"several, not wanted":           {standbys{able: true, several: true}, FailoverOff, "sync_replication_slots"},
		"the standby may be behind":     {standbys{able: true, wanted: true, physical: standby, connected: standby}, FailoverUnheld, "physical slots"},
		"one of several may be behind":  {standbys{able: true, wanted: true, several: true}, FailoverUnheld, "physical slots"},
		"the standby is waited for":     {standbys{able: true, wanted: true, synchronized: `"standby"`, physical: standby, connected: standby}, "", ""},
		"the standby is away":           {standbys{able: true, wanted: true, synchronized: "standby", physical: standby}, FailoverBlocked, "is away"},
		"a standby that was never here": {standbys{able: true, wanted: true, synchronized: "standby, ghost", physical: standby, connected: standby}, FailoverBlocked, "pg_create_physical_replication_slot('ghost')"},
	} {
		out := failoverFindings(c.facts)
		if c.want == "" {
			if len(out) > 0 {
				t.Errorf("%s: %+v", name, out)
			}
			continue
		}
		want(t, out, c.want, catalog[c.want].severity, "", c.text)
	}
}

// A physical slot, as a standby has one, is seen.
func TestStandbysAreSeenByTheirSlots(t *testing.T) {
	w := newWorld(t)
	name := w.Name + "_standby"
	w.Exec(t, `SELECT pg_create_physical_replication_slot('`+name+`')`)
	t.Cleanup(func() { w.Exec(t, `SELECT pg_drop_replication_slot('`+name+`')`) })
	if r := w.examine(t); r.told(FailoverUnheld) != (w.Major(t) >= failoverSince/10000) {
		t.Errorf("on %d: %+v", w.Major(t), r.Findings)
	}
}

func TestSlotsAreJudgedByTheirFacts(t *testing.T) {
	lost := &replication.Slot{Name: "s", InvalidationReason: "idle_timeout", RetainedBytes: 1 << 40}
	out := slotFindings(lost, reader{}, 1)
	want(t, out, SlotLost, Warning, "", "idle_timeout")
	if len(out) != 1 {
		t.Errorf("of a lost slot: %+v", out)
	}
	out = slotFindings(&replication.Slot{Name: "s", RetainedBytes: 2 << 30}, reader{}, defaultRetained)
	want(t, out, SlotRetains, Warning, "", "2.0 GiB")
	out = slotFindings(&replication.Slot{Name: "s", RetainedBytes: 40 << 20, SafeBytes: 24 << 20, Limited: true}, reader{}, defaultRetained)
	want(t, out, SlotRetains, Warning, "", "40 MiB")
}

// A server that nobody prepared: everything that can be wrong with its settings
// at once.
func TestAServerThatNobodyPrepared(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Options{Settings: map[string]string{
		"wal_level": "replica", "synchronous_commit": "off", "synchronous_standby_names": "ghost", "max_slot_wal_keep_size": "-1", "wal_sender_timeout": "0",
		"max_replication_slots": "0",
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	env := offline(t)
	env["ORGCAST_DATABASE_URL"] = c.URL("postgres")
	r := examine(t, Options{Environ: env})
	want(t, r.Findings, Code(setup.WALLevel), Fatal, "", "ALTER SYSTEM")
	want(t, r.Findings, Code(setup.SlotsExhausted), Fatal, "", "max_replication_slots")
	want(t, r.Findings, CommitAsync, Warning, "", "the whole server")
	want(t, r.Findings, CommitWaits, Warning, "", "synchronous_standby_names")
	want(t, r.Findings, WALKeepUnlimited, Warning, "", "20GB")
	want(t, r.Findings, WALSenderTimeout, Note, "", "wal_sender_timeout")
	want(t, r.Findings, Code(setup.RoleSuperuser), Warning, "", "superuser")
	// Without rules the tables can't be looked at, and the WAL is still told.
	env["ORGCAST_RULES"] = "preset:none"
	want(t, examine(t, Options{Environ: env}).Findings, Code(setup.WALLevel), Fatal, "", "restart PostgreSQL")
}

// replicate opens a replication connection that holds a walsender.
func replicate(t *testing.T, url string) *pgconn.PgConn {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), url+"&replication=database")
	for deadline := time.Now().Add(time.Minute); err != nil; conn, err = pgconn.Connect(t.Context(), url+"&replication=database") {
		// The walsender of the doctor ends a moment after its connection.
		full, ok := errors.AsType[*pgconn.PgError](err)
		if !ok || full.Code != "53300" || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		conn.Close(ctx) // one that streams is cut
	})
	return conn
}

func TestAServerThatIsFull(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Options{Settings: map[string]string{
		"max_wal_senders": "1", "max_replication_slots": "1", "max_slot_wal_keep_size": "16MB", "max_wal_size": "32MB",
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	env := offline(t)
	env["ORGCAST_DATABASE_URL"] = c.URL("postgres")
	conn, err := pgconn.Connect(t.Context(), c.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	exec(`SELECT pg_create_logical_replication_slot('other', 'pgoutput')`)
	r := examine(t, Options{Environ: env})
	want(t, r.Findings, Code(setup.SlotsExhausted), Fatal, "", "pg_replication_slots")
	want(t, r.Findings, WALSendersFew, Note, "", "max_wal_senders")
	want(t, r.Findings, WALKeepSmall, Warning, "", "16 MiB")

	replicate(t, c.URL("postgres"))
	exec(`SELECT pg_drop_replication_slot('other'); SELECT pg_create_logical_replication_slot('orgcast_postgres', 'pgoutput')`)
	exec(`CREATE TABLE filler (t text)`)
	for range 8 {
		exec(`INSERT INTO filler SELECT repeat(md5(g::text), 60) FROM generate_series(1, 4000) g`)
		exec(`SELECT pg_switch_wal()`)
	}
	exec(`CHECKPOINT`)
	r = examine(t, Options{Environ: env})
	want(t, r.Findings, WALSendersExhausted, Fatal, "", "max_wal_senders")
	want(t, r.Findings, SlotLost, Warning, "", "max_slot_wal_keep_size")
}

func TestWhoReadsTheSlotIsSaid(t *testing.T) {
	for application, c := range map[string]struct {
		code     Code
		severity Severity
	}{"orgcast": {SlotActive, Note}, "debezium": {SlotTaken, Fatal}} {
		w := newWorld(t)
		w.Exec(t, w.names().Replace(`SELECT pg_create_logical_replication_slot('%s', 'pgoutput')`))
		conn := replicate(t, w.env["ORGCAST_DATABASE_URL"]+"&application_name="+application)
		err := pglogrepl.StartReplication(t.Context(), conn, w.slot(), 0, pglogrepl.StartReplicationOptions{PluginArgs: []string{"proto_version '1'", "publication_names 'orgcast'"}})
		if err != nil {
			t.Fatal(err)
		}
		want(t, w.examine(t).Findings, c.code, c.severity, "", "application "+application+", user "+w.role)
	}
}

func TestWhatHoldsTheSlotBackIsSaid(t *testing.T) {
	w := newWorld(t)
	w.open(t, "billing")
	want(t, w.examine(t).Findings, TransactionsHidden, Note, "", "pg_read_all_stats")
	w.Exec(t, w.names().Replace(`GRANT pg_read_all_stats TO %r`))
	if r := w.examine(t); slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Code == TransactionLong }) {
		t.Errorf("a transaction that has just begun: %+v", r.Findings)
	}
	w.opts.Transaction = time.Nanosecond
	want(t, w.examine(t).Findings, TransactionLong, Fatal, "", "application billing, user postgres): serve can't make its slot")

	other := newWorld(t)
	other.Exec(t, other.names().Replace(`GRANT pg_read_all_stats TO %r; BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'canary-in-the-address'`))
	t.Cleanup(func() { other.Exec(t, `ROLLBACK PREPARED 'canary-in-the-address'`) })
	other.opts.Transaction = time.Nanosecond
	want(t, other.examine(t).Findings, TransactionPrepared, Fatal, "", "database "+other.Name+"): serve can't make its slot")
}

func TestAHeldSlotIsAWarning(t *testing.T) {
	w := newWorld(t)
	w.Exec(t, w.names().Replace(`GRANT pg_read_all_stats TO %r`))
	w.Exec(t, w.names().Replace(`SELECT pg_create_logical_replication_slot('%s', 'pgoutput')`))
	w.open(t, "billing")
	w.opts.Transaction = time.Nanosecond
	r := w.examine(t)
	want(t, r.Findings, TransactionLong, Warning, "", "keeps all WAL")
	if !r.Sound(false) || r.Sound(true) {
		t.Errorf("sound: %v, strictly: %v", r.Sound(false), r.Sound(true))
	}
}

func TestASlotOfAnotherDatabaseIsNamed(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	other.Exec(t, `SELECT pg_create_logical_replication_slot('`+w.slot()+`', 'pgoutput')`)
	want(t, w.examine(t).Findings, Code(setup.SlotForeign), Fatal, "", "another slot name")
}
