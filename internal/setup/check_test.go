package setup

import (
	"slices"
	"strings"
	"testing"

	"github.com/oikion/orgcast/internal/cluster"
	"github.com/oikion/orgcast/internal/pgtest"
)

// Each problem is planted in a database that setup left clean, and must be the
// one that is found, with its table.
func TestCheckNamesEveryProblem(t *testing.T) {
	for name, c := range map[string]struct {
		plant string // %r is the role, %s the slot, %a the application's role
		other string // executed in another database
		want  Code
		table string
		warns bool // not fatal
		since int  // the PostgreSQL that can be so
	}{
		"publication dropped":        {plant: `DROP PUBLICATION orgcast`, want: PublicationMissing},
		"publication for all tables": {plant: `DROP PUBLICATION orgcast; CREATE PUBLICATION orgcast FOR ALL TABLES WITH (publish_via_partition_root)`, want: PublicationAllTables, warns: true},
		"for all tables, one without identity": {plant: `DROP PUBLICATION orgcast; CREATE PUBLICATION orgcast FOR ALL TABLES WITH (publish_via_partition_root)`,
			want: IdentityMissing, table: "public.verification_tokens"},
		"deletes not published":       {plant: `ALTER PUBLICATION orgcast SET (publish = 'insert, update')`, want: PublicationOptions},
		"not via the partition root":  {plant: `ALTER PUBLICATION orgcast SET (publish_via_partition_root = false)`, want: PublicationOptions},
		"table left the publication":  {plant: `ALTER PUBLICATION orgcast DROP TABLE notes`, want: TableNotPublished, table: "public.notes"},
		"table dropped":               {plant: `DROP TABLE notes`, want: TableMissing, table: "public.notes"},
		"table renamed":               {plant: `ALTER TABLE notes RENAME TO remarks`, want: TableMissing, table: "public.notes"},
		"renamed table still streams": {plant: `ALTER TABLE notes RENAME TO remarks`, want: TableUnmapped, table: "public.remarks", warns: true},
		"table became a view":         {plant: `DROP TABLE notes; CREATE VIEW notes AS SELECT 1 AS id`, want: TableKind, table: "public.notes"},
		"column dropped":              {plant: `ALTER TABLE organizations DROP COLUMN name`, want: ColumnMissing, table: "public.organizations"},
		"column became generated": {plant: `ALTER TABLE organizations DROP COLUMN name; ALTER TABLE organizations ADD name text GENERATED ALWAYS AS ('x') STORED`,
			want: ColumnGenerated, table: "public.organizations"},
		"identity default":               {plant: `ALTER TABLE notes REPLICA IDENTITY DEFAULT`, want: IdentityNotFull, table: "public.notes"},
		"identity default, no key":       {plant: `ALTER TABLE keyless REPLICA IDENTITY DEFAULT`, want: IdentityMissing, table: "public.keyless"},
		"identity nothing":               {plant: `ALTER TABLE notes REPLICA IDENTITY NOTHING`, want: IdentityMissing, table: "public.notes"},
		"identity by an index":           {plant: `ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_key`, want: IdentityNotFull, table: "public.by_index"},
		"identity's index dropped":       {plant: `ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_key; DROP INDEX by_index_key`, want: IdentityMissing, table: "public.by_index"},
		"new partition":                  {plant: `ALTER TABLE parted DETACH PARTITION parted_b; CREATE TABLE parted_c PARTITION OF parted FOR VALUES IN ('c')`, want: IdentityNotFull, table: "public.parted_c"},
		"member without identity":        {plant: `ALTER PUBLICATION orgcast ADD TABLE verification_tokens`, want: IdentityMissing, table: "public.verification_tokens"},
		"member that no rule maps":       {plant: `ALTER PUBLICATION orgcast ADD TABLE users`, want: TableUnmapped, table: "public.users", warns: true},
		"column list":                    {plant: `ALTER PUBLICATION orgcast DROP TABLE notes; ALTER PUBLICATION orgcast ADD TABLE notes (id)`, want: ColumnList, table: "public.notes", since: 15},
		"column list elsewhere":          {plant: `CREATE PUBLICATION other FOR TABLE notes (id)`, want: ColumnList, table: "public.notes", since: 15},
		"row filter":                     {plant: `ALTER PUBLICATION orgcast DROP TABLE notes; ALTER PUBLICATION orgcast ADD TABLE notes WHERE (id > 'x')`, want: RowFilter, table: "public.notes", since: 15},
		"row security on a mapped table": {plant: `ALTER TABLE notes ENABLE ROW LEVEL SECURITY`, want: RowSecurity, table: "public.notes"},
		"row security on a read table":   {plant: `ALTER TABLE clients ENABLE ROW LEVEL SECURITY`, want: ReadRowSecurity, table: "public.clients"},
		"read revoked":                   {plant: `REVOKE SELECT ON clients FROM %r`, want: ReadDenied, table: "public.clients"},
		"schema revoked":                 {plant: `REVOKE USAGE ON SCHEMA public FROM PUBLIC, %r`, want: ReadDenied, table: "public.clients"},
		"replication taken":              {plant: `ALTER ROLE %r NOREPLICATION`, want: RoleNoReplication},
		"role became superuser":          {plant: `ALTER ROLE %r SUPERUSER`, want: RoleSuperuser, warns: true},
		"role got BYPASSRLS":             {plant: `ALTER ROLE %r BYPASSRLS`, want: RoleBypassRLS, warns: true},
		"role owns a mapped table":       {plant: `ALTER TABLE notes OWNER TO %r`, want: RoleOwner, warns: true},
		"role is a member of the owner":  {plant: `GRANT %a TO %r`, want: RoleShared, warns: true},
		"slot of another plugin":         {plant: `SELECT pg_create_logical_replication_slot('%s', 'test_decoding')`, want: SlotForeign},
		"slot of another database":       {other: `SELECT pg_create_logical_replication_slot('%s', 'pgoutput')`, want: SlotForeign},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if w.Major(t) < c.since {
				return
			}
			w.apply(t)
			if problems := mustCheck(t, w).Problems; len(problems) != 0 {
				t.Fatalf("problems before: %+v", problems)
			}
			names := strings.NewReplacer("%r", w.cfg.Role, "%s", w.cfg.Slot, "%a", w.app)
			if c.plant != "" {
				w.Exec(t, names.Replace(c.plant))
			}
			if c.other != "" {
				pgtest.Database(t).Exec(t, names.Replace(c.other))
			}
			state := mustCheck(t, w)
			i := slices.IndexFunc(state.Problems, func(p Problem) bool { return p.Code == c.want && p.Table == c.table })
			if i < 0 {
				t.Fatalf("no %s of %q in %+v", c.want, c.table, state.Problems)
			}
			p := state.Problems[i]
			if p.Fatal == c.warns || p.Text == "" || p.Hint == "" {
				t.Errorf("problem %+v, want fatal %v, a text and a hint", p, !c.warns)
			}
			if slices.Contains(state.Fatal(), p) == c.warns {
				t.Errorf("fatal problems: %+v", state.Fatal())
			}
		})
	}
}

func TestCheckOfAServerThatIsNotLogical(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Options{Settings: map[string]string{"wal_level": "replica", "max_replication_slots": "0"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	conn := connect(t, c.URL("postgres"))
	cfg := Config{Publication: "orgcast", Slot: "orgcast"}
	// Setup can be done before the restart, and says that one is needed.
	report, err := Apply(t.Context(), conn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if p := find(report.Warnings, WALLevel); p == nil || !strings.Contains(p.Hint, "ALTER SYSTEM") {
		t.Errorf("warnings: %+v", report.Warnings)
	}
	state, err := Check(t.Context(), conn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []Code{WALLevel, SlotsExhausted} {
		if p := find(state.Problems, code); p == nil || !p.Fatal {
			t.Errorf("no fatal %s in %v", code, codes(state.Problems))
		}
	}
}

// An old server and a standby cannot be had here: their facts can.
func TestOldServersAndStandbysAreRefused(t *testing.T) {
	if p := TooOld(130023); p == nil || p.Code != ServerTooOld || !p.Fatal || !strings.Contains(p.Text, "PostgreSQL is 13") || p.Hint == "" {
		t.Errorf("13: %+v", p)
	}
	if p := TooOld(140000); p != nil {
		t.Errorf("14: %+v", p)
	}
	f := &facts{version: 140000, standby: true, walLevel: "logical"}
	if got := codes(serverProblems(f)); !slices.Equal(got, []Code{ServerIsStandby}) {
		t.Errorf("problems %v", got)
	}
	_, err := planApply(f, Config{})
	wantHinted(t, err, "standby")
}

func TestASlotThatIsOlderThanThePublicationIsSaid(t *testing.T) {
	w := newWorld(t)
	w.Exec(t, `SELECT pg_create_logical_replication_slot('`+w.cfg.Slot+`', 'pgoutput')`)
	if p := find(w.apply(t).Warnings, SlotOlder); p == nil || !p.Fatal {
		t.Error("a slot made before the publication is not said")
	}
}

func TestProvidersAreToldApart(t *testing.T) {
	conn := pgtest.Database(t).Conn(t)
	detect := func(host string) Provider {
		t.Helper()
		p, err := detectProvider(t.Context(), conn, host)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for host, want := range map[string]Provider{
		"":                                        "",
		"localhost":                               "",
		"db.abc.eu-central-1.rds.amazonaws.com":   RDS,
		"ep-cool-1.eu-central-1.aws.neon.tech":    Neon,
		"EP-COOL-1.aws.NEON.tech.":                Neon,
		"db.abcdefgh.supabase.co":                 Supabase,
		"aws-0-eu-central-1.pooler.supabase.com":  Supabase,
		"neon.tech.example.com":                   "",
		"myneon.tech":                             "",
		"rds.amazonaws.com.attacker.example.test": "",
	} {
		if got := detect(host); got != want {
			t.Errorf("host %q is %q, want %q", host, got, want)
		}
	}
	for setting, want := range map[string]Provider{
		"rds.extensions": RDS, "cloudsql.logical_decoding": CloudSQL, "neon.timeline_id": Neon, "supautils.reserved_roles": Supabase,
	} {
		if _, err := conn.Exec(t.Context(), `SELECT set_config($1, 'x', false)`, setting); err != nil {
			t.Fatal(err)
		}
		// The settings win over the host's name.
		if got := detect("db.abcdefgh.supabase.co"); got != want {
			t.Errorf("setting %s is %q, want %q", setting, got, want)
		}
		conn.Close(t.Context())
		conn = pgtest.Database(t).Conn(t)
	}
	hints := map[string]Provider{}
	for _, p := range []Provider{"", RDS, CloudSQL, Neon, Supabase} {
		for _, hint := range []string{p.walLevelHint(), p.replicationHint("r")} {
			if other, ok := hints[hint]; ok {
				t.Errorf("%q and %q have the same hint %q", p, other, hint)
			}
			hints[hint] = p
		}
	}
}
