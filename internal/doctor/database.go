package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oikion/orgcast/internal/config"
	"github.com/oikion/orgcast/internal/replication"
	"github.com/oikion/orgcast/internal/setup"
)

// connection opens the ordinary connection that everything else is asked over.
func connection(ctx context.Context, s *Scene) []Finding {
	if s.noDatabase {
		return nil
	}
	c, err := pgx.ParseConfig(s.config.Database.URL)
	if err != nil { // the driver's error quotes the URL
		return []Finding{found(DatabaseURLInvalid, "the database's address can't be read", "write postgresql://user:password@host:port/database")}
	}
	for name, value := range map[string]string{
		"application_name": "orgcast doctor", "search_path": "pg_catalog", "timezone": "UTC", "statement_timeout": "15s",
		"default_transaction_read_only": "on",
	} {
		c.RuntimeParams[name] = value
	}
	c.ConnectTimeout = connectPatience
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return []Finding{unreachable(err, s.config.Database.Host)}
	}
	s.conn = conn
	var version int
	if err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		return failed("ask for the server's version", err)
	}
	if p := setup.TooOld(version); p != nil {
		s.unfit = "PostgreSQL is too old"
		return []Finding{found(Code(p.Code), p.Text, p.Hint)}
	}
	if s.server, err = readServer(ctx, conn); err != nil {
		return failed("read server settings", err)
	}
	s.server.visible = s.config.Dispatch == config.DispatchVisible
	s.good(fmt.Sprintf("database: PostgreSQL %s, as role %s", s.server.versionText, s.config.Database.User))
	return nil
}

// unreachable finds the code of a connection that was not made.
func unreachable(err error, host string) Finding {
	text := "the database can't be connected to: " + plain(err)
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		if strings.Contains(err.Error(), "server refused TLS") || strings.Contains(err.Error(), "tls: ") || strings.Contains(err.Error(), "x509: ") {
			return found(DatabaseTLS, text, "give the server a certificate that sslrootcert knows; sslmode=disable only on a network that nobody else is on")
		}
		if errors.Is(err, pgconn.ErrStandbyConnection) {
			return found(Code(setup.ServerIsStandby), text, "promote a standby, or wait until one is: of several servers only the primary is taken")
		}
		return found(DatabaseUnreachable, text, "check that PostgreSQL runs, the host "+host+" and port of the address, and the network between")
	}
	switch {
	case e.Code == "28P01", e.Code == "28000" && !strings.Contains(e.Message, "pg_hba.conf"):
		return found(DatabasePassword, text, "correct user and password in ORGCAST_DATABASE_URL; orgcast setup makes the role, and sets its password")
	case e.Code == "28000":
		return found(DatabaseRefused, text, "allow the role in pg_hba.conf for the database's own name: logical replication does not use the keyword replication")
	case e.Code == "3D000":
		return found(DatabaseMissing, text, "correct the database's name in ORGCAST_DATABASE_URL")
	case e.Code == "53300":
		return found(DatabaseFull, text, "raise max_connections, or the role's own connection limit; orgcast needs two")
	case e.Code == "08P01", e.Code == "42601", e.Code == "0A000":
		return found(DatabasePooler, text, "use the database's own address: poolers do not pass replication on")
	}
	return found(DatabaseUnreachable, text, "see what the server's log says of it")
}

// replicates opens a replication connection, as serve does, and only asks who
// answers.
func replicates(ctx context.Context, s *Scene) []Finding {
	conn, err := replication.Connect(ctx, replication.Config{
		URL: s.config.Database.URL, Slot: s.config.Slot, Publication: s.config.Publication, ApplicationName: "orgcast doctor",
	})
	if err != nil {
		return refusedReplication(s, err)
	}
	defer conn.Close()
	system, err := conn.IdentifySystem(ctx)
	if err != nil {
		return failed("identify system", err)
	}
	s.system = &system
	s.good(fmt.Sprintf("replication: connects; cluster %d, timeline %d", system.ID, system.Timeline))
	return nil
}

func refusedReplication(s *Scene, err error) []Finding {
	code := ReplicationRefused
	switch {
	case errors.Is(err, replication.ErrNotLogical):
		code = Code(setup.WALLevel)
	case errors.Is(err, replication.ErrVersion):
		code = Code(setup.ServerTooOld)
	case errors.Is(err, replication.ErrPermission):
		code = Code(setup.RoleNoReplication)
	case errors.Is(err, replication.ErrLimit):
		code = WALSendersExhausted
	case errors.Is(err, replication.ErrPooler):
		code = DatabasePooler
	case errors.Is(err, replication.ErrHostRefused):
		code = DatabaseRefused
	}
	if s.report.told(code) { // by the look at the database's objects
		return nil
	}
	text := "a replication connection is refused: " + plain(err)
	return []Finding{found(code, text, cureOf(err, "see what the server's log says of it")).as(Fatal)}
}
