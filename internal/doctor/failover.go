package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// failoverSince is the first version whose standbys can keep a copy of a slot.
const failoverSince = 170000

// standbys is what a failover hangs on.
type standbys struct {
	version string
	able    bool // the server has failover slots
	wanted  bool // ORGCAST_SLOT_FAILOVER
	several bool // the address names several servers
	// synchronized is synchronized_standby_slots.
	synchronized string
	// physical and connected are the slots that standbys read, and those that are
	// read now.
	physical, connected []string
}

// failover looks at what becomes of the slot when a standby takes over.
func failover(ctx context.Context, s *Scene) []Finding {
	f := standbys{version: s.server.versionText, able: s.server.version >= failoverSince, wanted: s.config.SlotFailover, several: len(s.config.Database.Others) > 0}
	rows, err := s.conn.Query(ctx, `
		SELECT coalesce(current_setting('synchronized_standby_slots', true), ''), slot_name, coalesce(active, false)
		FROM (SELECT) one LEFT JOIN pg_replication_slots ON slot_type = 'physical' ORDER BY slot_name`)
	if err != nil {
		return failed("look at the standbys' slots", err)
	}
	var name *string
	var active bool
	_, err = pgx.ForEachRow(rows, []any{&f.synchronized, &name, &active}, func() error {
		if name != nil {
			f.physical = append(f.physical, *name)
			if active {
				f.connected = append(f.connected, *name)
			}
		}
		return nil
	})
	if err != nil {
		return failed("look at the standbys' slots", err)
	}
	out := failoverFindings(f)
	if len(out) == 0 && f.able && f.synchronized != "" {
		s.good("failover: orgcast is sent only what the standbys of synchronized_standby_slots have, and can go on from one that has sync_replication_slots on")
	}
	return out
}

func failoverFindings(f standbys) (out []Finding) {
	known := f.several || len(f.physical) > 0
	switch {
	case !f.able && f.several:
		return []Finding{found(FailoverNone, fmt.Sprintf("PostgreSQL %s has no failover slots: a promoted standby has no slot of orgcast's, which makes one there, and every page refetches", f.version),
			"nothing is to be done; from PostgreSQL 17 on it goes without the refetch")}
	case !f.able || !f.wanted && !known:
		return nil
	case !f.wanted:
		return []Finding{found(FailoverOff, "ORGCAST_SLOT_FAILOVER is false, and there are standbys: a promoted one has no slot, orgcast makes one there, and every page refetches",
			"leave ORGCAST_SLOT_FAILOVER out, and set sync_replication_slots = on, hot_standby_feedback = on and a dbname in primary_conninfo on the standby")}
	}
	var names []string
	for name := range strings.SplitSeq(f.synchronized, ",") {
		if name = strings.Trim(name, ` "`); name != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 && known {
		return []Finding{found(FailoverUnheld, "synchronized_standby_slots is empty: orgcast may have commits that a standby which is promoted has not; then every page refetches",
			"set synchronized_standby_slots to the standbys' physical slots; the primary then sends orgcast only what those have")}
	}
	for _, name := range names {
		switch {
		case !slices.Contains(f.physical, name):
			out = append(out, found(FailoverBlocked, "synchronized_standby_slots names "+name+", which is no physical slot here: nothing is sent to orgcast",
				"make the slot, SELECT pg_create_physical_replication_slot('"+name+"'), or take it out of synchronized_standby_slots"))
		case !slices.Contains(f.connected, name):
			out = append(out, found(FailoverBlocked, "synchronized_standby_slots names "+name+", whose standby is away: nothing new is sent to orgcast until it is back",
				"bring the standby back, or take its slot out of synchronized_standby_slots and reload"))
		}
	}
	return out
}
