package config

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/oikion/orgcast"
)

// refusePooler finds addresses of poolers, which do not pass replication on.
func refusePooler(a Address, q url.Values) error {
	host := strings.TrimSuffix(strings.ToLower(a.Host), ".")
	amazon := strings.HasSuffix(host, ".rds.amazonaws.com") || strings.HasSuffix(host, ".rds.amazonaws.com.cn")
	supabase := strings.HasSuffix(host, ".supabase.co") || strings.HasSuffix(host, ".supabase.com")
	var what, cure string
	switch {
	case strings.Contains(host, "-pooler."):
		what, cure = "Neon's pooler", "Use the address without -pooler."
	case strings.HasSuffix(host, "pooler.supabase.com"):
		what, cure = "Supabase's pooler", "Use the direct connection, db.<project>.supabase.co on port 5432."
	case supabase && a.Port == "6543":
		what, cure = "Supabase's pooler", "Use the direct connection on port 5432."
	case amazon && strings.Contains(host, ".proxy-"):
		what, cure = "RDS Proxy", "Use the instance's own address."
	case q.Get("pgbouncer") == "true" || q.Get("pgbouncer") == "1":
		what, cure = "PgBouncer", "Set ORGCAST_DATABASE_URL (or DIRECT_URL) to the database's own address."
	default:
		return nil
	}
	return orgcast.WithHint("read database URL", fmt.Errorf("%s is %s, which does not pass replication on", host, what), cure)
}
