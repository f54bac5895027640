package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast/internal/replication"
	"github.com/oikion/orgcast/internal/setup"
)

// reader is who reads the slot.
type reader struct{ application, user, address string }

// slot looks at the slot without reading it.
func slot(ctx context.Context, s *Scene) []Finding {
	found, err := replication.ReadSlot(ctx, s.conn, s.config.Slot)
	if err != nil {
		return failed("look at the slot", err)
	}
	s.slot = found
	if found == nil {
		s.good("slot: " + s.config.Slot + " is not there yet; serve makes it")
		return nil
	}
	if found.Active {
		err := s.conn.QueryRow(ctx, `
			SELECT coalesce(application_name, ''), coalesce(usename::text, ''), coalesce(host(client_addr), '')
			FROM pg_stat_activity WHERE pid = $1`, found.ActivePID).Scan(&s.reader.application, &s.reader.user, &s.reader.address)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) { // it ended meanwhile
			return failed("look at the slot's reader", err)
		}
	}
	out := slotFindings(found, s.reader, s.Retained)
	if len(out) == 0 {
		s.good(fmt.Sprintf("slot: %s, %s of WAL kept", found.Name, size(found.RetainedBytes)))
	}
	return out
}

func slotFindings(slot *replication.Slot, by reader, retained int64) (out []Finding) {
	if slot.Lost() {
		reason := "the WAL it needed is gone"
		if slot.InvalidationReason != "" {
			reason = slot.InvalidationReason
		}
		out = append(out, found(SlotLost, "slot "+slot.Name+" is lost ("+reason+"): serve makes a new one, and every page refetches",
			"raise max_slot_wal_keep_size, and find out why orgcast was away or slow"))
	}
	if slot.Heavy(retained) {
		out = append(out, found(SlotRetains, fmt.Sprintf("slot %s keeps %s of WAL on the database's disk", slot.Name, size(slot.RetainedBytes)),
			"start orgcast; if it runs, look at its lag and for long transactions; a slot that nobody will read again: SELECT pg_drop_replication_slot('"+slot.Name+"')"))
	}
	if !slot.Active {
		return out
	}
	who := fmt.Sprintf("slot %s is read by pid %d", slot.Name, slot.ActivePID)
	if by != (reader{}) {
		who += fmt.Sprintf(" (application %s, user %s, from %s)", cmp.Or(by.application, "-"), cmp.Or(by.user, "-"), cmp.Or(by.address, "-"))
	}
	if by.application == replication.DefaultApplicationName {
		return append(out, found(SlotActive, who+": an orgcast is serving", "nothing is to be done; a second orgcast takes over when that one ends"))
	}
	return append(out, found(SlotTaken, who+", which is no orgcast: serve has to wait for it to end",
		fmt.Sprintf("stop it, or SELECT pg_terminate_backend(%d); or give orgcast a slot of its own with ORGCAST_SLOT", slot.ActivePID)))
}

// skipsSince is the first version that decodes past a publication which is not
// there yet.
const skipsSince = 180000

// slotAge finds a slot that looks older than its publication. A slot reads the
// catalog as it was at each change: the first row, of any table, that was written
// after the slot and before the publication stops it for ever.
//
// PostgreSQL 18 and later leave the row out, with a word in their own log only.
//
// The server does not keep when a publication was made, but which transactions
// wrote its row and its members'. If none is older than what the slot still looks
// back at, it was made after the slot's position. Whether a row lies between, only
// reading the slot would tell.
func slotAge(ctx context.Context, s *Scene) []Finding {
	if s.slot == nil || s.slot.Active || s.slot.Lost() || s.slot.Plugin != "pgoutput" {
		return nil
	}
	var older bool
	err := s.conn.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM pg_publication p, pg_replication_slots s
			WHERE p.pubname = $1 AND s.slot_name = $2 AND s.catalog_xmin IS NOT NULL AND age(p.xmin) BETWEEN 0 AND age(s.catalog_xmin)
			  AND NOT EXISTS (SELECT FROM pg_publication_rel r WHERE r.prpubid = p.oid AND age(r.xmin) > age(s.catalog_xmin)))`,
		s.config.Publication, s.config.Slot).Scan(&older)
	if err != nil {
		return failed("compare slot and publication", err)
	}
	if !older {
		return nil
	}
	fate := "serve stops at it for ever (\"publication does not exist\")"
	if s.server.version >= skipsSince {
		fate = "it is never sent, and nobody is told"
	}
	text := "slot " + s.config.Slot + " looks older than publication " + s.config.Publication + ": if a row was written between the two, " + fate
	drop := "drop the slot: SELECT pg_drop_replication_slot('" + s.config.Slot + "'); serve makes a new one, and every page refetches"
	if s.log != nil && s.log.Empty {
		drop = "nothing is to be done if this is the first start: serve makes the slot anew; else " + drop
	}
	return []Finding{found(Code(setup.SlotOlder), text, drop)}
}
