package setup

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// replicationConn is a replication connection of the role that setup made.
func replicationConn(t *testing.T, w *world) *pgconn.PgConn {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), w.URLAs(w.cfg.Role, rolePassword)+"&replication=database&application_name=reader-app")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		conn.Close(ctx)
	})
	return conn
}

func startReplication(t *testing.T, conn *pgconn.PgConn, w *world) {
	t.Helper()
	err := pglogrepl.StartReplication(t.Context(), conn, w.cfg.Slot, 0, pglogrepl.StartReplicationOptions{
		PluginArgs: []string{"proto_version '1'", "publication_names 'orgcast'"}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheRoleStreamsEveryMappedTableAndReadsOnlyItsOwn(t *testing.T) {
	w := newWorld(t)
	w.apply(t)
	stream := replicationConn(t, w)
	if _, err := pglogrepl.CreateReplicationSlot(t.Context(), stream, w.cfg.Slot, "pgoutput", pglogrepl.CreateReplicationSlotOptions{}); err != nil {
		t.Fatal(err)
	}
	startReplication(t, stream, w)
	w.write(t, w.ConnAs(t, w.app, "app"), "while streaming")

	wanted := map[string]bool{}
	for _, table := range w.cfg.Tables {
		wanted[table.String()] = true
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	relations := map[uint32]string{}
	for len(wanted) > 0 {
		msg, err := stream.ReceiveMessage(ctx)
		if err != nil {
			t.Fatalf("no DELETE with the old row came of %v: %v", wanted, err)
		}
		data, ok := msg.(*pgproto3.CopyData)
		if !ok || data.Data[0] != pglogrepl.XLogDataByteID {
			continue
		}
		xlog, err := pglogrepl.ParseXLogData(data.Data[1:])
		if err != nil {
			t.Fatal(err)
		}
		logical, err := pglogrepl.Parse(xlog.WALData)
		if err != nil {
			t.Fatal(err)
		}
		switch m := logical.(type) {
		case *pglogrepl.RelationMessage:
			relations[m.RelationID] = m.Namespace + "." + m.RelationName
			if m.ReplicaIdentity != 'f' && !strings.Contains(m.RelationName, "parted_") {
				t.Errorf("%s.%s is announced with identity %c", m.Namespace, m.RelationName, m.ReplicaIdentity)
			}
		case *pglogrepl.DeleteMessage:
			if m.OldTupleType == pglogrepl.DeleteMessageTupleTypeOld {
				delete(wanted, relations[m.RelationID])
			}
		}
	}

	role := w.ConnAs(t, w.cfg.Role, rolePassword)
	for _, table := range []string{"properties", "clients", "organizations", "organization_members"} {
		if _, err := role.Exec(t.Context(), "SELECT * FROM "+table); err != nil {
			t.Errorf("read %s: %v", table, err)
		}
	}
	for _, q := range []string{"SELECT id FROM users", "SELECT id FROM accounts", "SELECT id FROM sessions", "SELECT token FROM invitations", "SELECT id FROM notes",
		"DELETE FROM properties", "UPDATE organizations SET name = 'x'", "INSERT INTO organizations VALUES ('x', 'x')", "CREATE ROLE x", "DROP PUBLICATION orgcast"} {
		if _, err := role.Exec(t.Context(), q); sqlState(err) != insufficientPrivilege {
			t.Errorf("%s as the role: %v, want refused", q, err)
		}
	}
}

func TestTheRoleReadsPastForcedRowSecurity(t *testing.T) {
	w := newWorld(t)
	w.Exec(t, `INSERT INTO organizations (id, name) VALUES ('o', 'O'); ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
		ALTER TABLE organizations FORCE ROW LEVEL SECURITY; CREATE POLICY none ON organizations USING (false)`)
	for i := range w.cfg.Tables {
		w.cfg.Tables[i].TenantOnly = w.cfg.Tables[i].Name == "organizations"
	}
	w.apply(t)
	if problems := mustCheck(t, w).Problems; len(problems) != 0 {
		t.Errorf("problems: %+v", problems)
	}
	role := w.ConnAs(t, w.cfg.Role, rolePassword)
	var n int
	if _, err := role.Exec(t.Context(), `SET row_security = off`); err != nil {
		t.Fatal(err)
	}
	if err := role.QueryRow(t.Context(), `SELECT count(*) FROM organizations`).Scan(&n); err != nil || n != 1 {
		t.Errorf("the role reads %d organizations, %v", n, err)
	}
	w.Exec(t, `ALTER ROLE `+w.cfg.Role+` NOBYPASSRLS`)
	if p := find(mustCheck(t, w).Problems, ReadRowSecurity); p == nil || !p.Fatal || p.Table != "public.organizations" {
		t.Error("a role that the policies hold back is not found")
	}
}

// A role that is not ours is not given BYPASSRLS, and the report says the cure.
func TestAForeignRoleBehindRowSecurityIsAProblem(t *testing.T) {
	w := newWorld(t)
	w.Exec(t, `ALTER TABLE organizations ENABLE ROW LEVEL SECURITY; CREATE ROLE `+w.cfg.Role+` LOGIN REPLICATION PASSWORD 'x'`)
	for i := range w.cfg.Tables {
		w.cfg.Tables[i].TenantOnly = true
	}
	report := w.apply(t)
	if p := find(report.Warnings, ReadRowSecurity); p == nil || !p.Fatal || !strings.Contains(p.Hint, "BYPASSRLS") {
		t.Errorf("warnings: %+v", report.Warnings)
	}
}

func TestRolesThatReachTooFarAreNamed(t *testing.T) {
	t.Run("superuser", func(t *testing.T) {
		w := newWorld(t)
		w.Exec(t, `CREATE ROLE `+w.cfg.Role+` LOGIN SUPERUSER`)
		if p := find(w.apply(t).Warnings, RoleSuperuser); p == nil {
			t.Error("no warning")
		}
	})
	t.Run("member of the owner", func(t *testing.T) {
		w := newWorld(t)
		w.Exec(t, `CREATE ROLE `+w.cfg.Role+` LOGIN REPLICATION IN ROLE `+w.app)
		if p := find(w.apply(t).Warnings, RoleShared); p == nil || !strings.Contains(p.Text, w.app) {
			t.Error("no warning that names the owner")
		}
	})
}

func TestAChangedPasswordIsSetAndAnUnchangedOneIsNot(t *testing.T) {
	for _, password := range []string{"plain", `it's a \ "test"`, "κωδικός"} {
		t.Run(password, func(t *testing.T) {
			w := newWorld(t)
			w.apply(t)
			w.cfg.RolePassword = password
			if !w.apply(t).Changed() {
				t.Error("nothing was changed")
			}
			w.ConnAs(t, w.cfg.Role, password)
			if printableASCII(password) && w.apply(t).Changed() {
				t.Error("the same password was set again")
			}
		})
	}
}

// On RDS nobody can grant the attribute: membership of rds_replication is it.
func TestOnRDSTheRoleGetsRDSReplication(t *testing.T) {
	w := newWorld(t)
	w.Exec(t, `CREATE ROLE rds_replication NOLOGIN`)
	t.Cleanup(func() { w.Exec(t, `DROP ROLE rds_replication`) })
	w.apply(t)
	var attribute, member bool
	err := w.Conn(t).QueryRow(t.Context(), `SELECT rolreplication, pg_has_role(oid, 'rds_replication', 'MEMBER') FROM pg_roles WHERE rolname = $1`,
		w.cfg.Role).Scan(&attribute, &member)
	if err != nil || attribute || !member {
		t.Errorf("REPLICATION %v, rds_replication %v, %v", attribute, member, err)
	}
	if p := find(mustCheck(t, w).Problems, RoleNoReplication); p != nil {
		t.Errorf("problem: %+v", p)
	}
}

func TestAStepThatIsForbiddenSaysWhichAndWhatNext(t *testing.T) {
	w := newWorld(t)
	w.Exec(t, `CREATE ROLE `+w.Role("nobody")+` LOGIN PASSWORD 'x'`)
	_, err := Apply(t.Context(), w.ConnAs(t, w.Role("nobody"), "x"), w.cfg)
	wantHinted(t, err, "create publication orgcast", "permission denied")

	// The owner of the tables, without CREATEROLE: everything but the role.
	w.Exec(t, `GRANT CREATE ON DATABASE `+w.Name+` TO `+w.app)
	app := w.ConnAs(t, w.app, "app")
	report, err := Apply(t.Context(), app, w.cfg)
	wantHinted(t, err, "create role "+w.cfg.Role, "42501")
	if !report.Changed() {
		t.Error("the report says that nothing was done before the failure")
	}
	// The role is not ours until we made it.
	f, err := inspect(t.Context(), app, w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if rec, ours := f.record(); !ours || rec.Role != nil {
		t.Errorf("record %+v, ours %v", rec, ours)
	}
	w.write(t, app, "after a failure")

	w.Exec(t, `ALTER TABLE notes OWNER TO postgres; ALTER TABLE notes REPLICA IDENTITY DEFAULT`)
	_, err = Apply(t.Context(), app, w.cfg)
	wantHinted(t, err, "set replica identity of public.notes", "must be owner")
}

func TestTheVerifierIsPostgreSQLsOwn(t *testing.T) {
	w := newWorld(t)
	name := w.Role("theirs")
	w.Exec(t, `CREATE ROLE `+name+` PASSWORD 'p4ssword'`)
	var stored string
	if err := w.Conn(t).QueryRow(t.Context(), `SELECT rolpassword FROM pg_authid WHERE rolname = $1`, name).Scan(&stored); err != nil {
		t.Fatal(err)
	}
	if !verifies(stored, "p4ssword") || verifies(stored, "p4sswore") || verifies("md5abc", "p4ssword") || verifies("SCRAM-SHA-256$x", "") {
		t.Errorf("verifies is wrong about %s", stored)
	}
}
