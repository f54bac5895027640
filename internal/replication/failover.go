package replication

import (
	"context"
	"strconv"

	"github.com/oikion/orgcast"
)

// failoverVersion is the first server whose standbys can keep a copy of a slot.
const failoverVersion = 170000

// KeepFailover makes an existing slot what Config.Failover says. Nobody may read
// it. It tells whether something was changed; a server without such slots has
// nothing to change.
func (c *Conn) KeepFailover(ctx context.Context, slot *Slot) (changed bool, err error) {
	if c.version < failoverVersion || slot.Failover == c.config.Failover {
		return false, nil
	}
	_, err = c.query(ctx, "alter replication slot", "ALTER_REPLICATION_SLOT "+identifier(c.config.Slot)+" (FAILOVER "+strconv.FormatBool(c.config.Failover)+")")
	if err != nil {
		return false, orgcast.WithHint("alter replication slot", err, "Set ORGCAST_SLOT_FAILOVER to "+strconv.FormatBool(slot.Failover)+", as the slot is.")
	}
	return true, nil
}
