package setup

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Provider is who runs the database, as far as it changes what the operator
// must do.
type Provider string

// The providers that forbid or rename something. The empty one is plain
// PostgreSQL.
const (
	RDS      Provider = "rds"
	CloudSQL Provider = "cloudsql"
	Neon     Provider = "neon"
	Supabase Provider = "supabase"
)

// hostSuffixes tells providers by the host's name.
var hostSuffixes = []struct {
	suffix   string
	provider Provider
}{
	{".rds.amazonaws.com", RDS},
	{".rds.amazonaws.com.cn", RDS},
	{".neon.tech", Neon},
	{".supabase.co", Supabase},
	{".supabase.com", Supabase},
}

// detectProvider asks the settings first: a host name may be the operator's own.
func detectProvider(ctx context.Context, conn *pgx.Conn, host string) (Provider, error) {
	var p Provider
	err := conn.QueryRow(ctx, `
		SELECT CASE
			WHEN current_setting('rds.extensions', true) IS NOT NULL THEN 'rds'
			WHEN current_setting('cloudsql.logical_decoding', true) IS NOT NULL
			  OR EXISTS (SELECT FROM pg_settings WHERE starts_with(name, 'cloudsql.')) THEN 'cloudsql'
			WHEN current_setting('neon.timeline_id', true) IS NOT NULL
			  OR EXISTS (SELECT FROM pg_settings WHERE starts_with(name, 'neon.')) THEN 'neon'
			WHEN current_setting('supautils.reserved_roles', true) IS NOT NULL
			  OR EXISTS (SELECT FROM pg_settings WHERE starts_with(name, 'supautils.') OR starts_with(name, 'supabase')) THEN 'supabase'
			ELSE '' END`).Scan(&p)
	if err != nil || p != "" {
		return p, err
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for _, h := range hostSuffixes {
		if strings.HasSuffix(host, h.suffix) {
			return h.provider, nil
		}
	}
	return "", nil
}

func (p Provider) walLevelHint() string {
	switch p {
	case RDS:
		return "set rds.logical_replication = 1 in the parameter group (Aurora: the cluster's) and reboot the instance"
	case CloudSQL:
		return "set the flag cloudsql.logical_decoding = on; the instance restarts"
	case Neon:
		return "enable logical replication in the project's settings, and connect to the host without -pooler"
	case Supabase:
		return "connect to the project's direct host (db.<project>.supabase.co), where wal_level is logical"
	}
	return "as superuser: ALTER SYSTEM SET wal_level = 'logical', then restart PostgreSQL"
}

// replicationHint is for a role that can't be given REPLICATION.
func (p Provider) replicationHint(role string) string {
	switch p {
	case RDS:
		return "as a member of rds_superuser: GRANT rds_replication TO " + role
	case CloudSQL:
		return "as a user of cloudsqlsuperuser: ALTER USER " + role + " WITH REPLICATION; the flag cloudsql.logical_decoding must be on"
	case Neon:
		return "make the role in the Neon console or API (such roles have REPLICATION), and use the host without -pooler"
	case Supabase:
		return "run setup as the user postgres on the project's direct host (db.<project>.supabase.co)"
	}
	return "as superuser: ALTER ROLE " + role + " REPLICATION"
}

// plainPassword: Neon checks a password's strength and refuses a verifier.
func (p Provider) plainPassword() bool { return p == Neon }
