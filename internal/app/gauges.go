package app

import (
	"math"
	"time"

	"github.com/oikion/orgcast/internal/eventlog"
)

// gauges are the figures that are read when they are asked for. What is not known
// is NaN, which no alert takes for a number.
func (a *App) gauges(s *source) {
	gauge := a.metrics.Gauge
	gauge("streams_open", "Streams that are open.", func() float64 { return float64(s.hub.Streams()) })
	gauge("streams_max", "Streams that may be open: ORGCAST_MAX_STREAMS.", func() float64 { return float64(a.config.MaxStreams) })
	gauge("members", "Rows of the membership table.", func() float64 { n, _ := s.directory.Size(); return float64(n) })
	gauge("sessions", "Rows of the table of sessions; 0 if it is not read.", func() float64 { return float64(s.directory.Sessions()) })
	gauge("organizations", "Organizations.", func() float64 { _, n := s.directory.Size(); return float64(n) })

	gauge("feed_fresh", "1 while the change feed is where the database is.", func() float64 {
		if s.Fresh() == nil {
			return 1
		}
		return 0
	})
	gauge("feed_lag_seconds", "How long ago the feed was last known to hold all that was committed: up to a little above 2 while it is fresh. NaN before the first time.", func() float64 {
		fresh := s.freshness.last()
		if fresh.IsZero() {
			return math.NaN()
		}
		return time.Since(fresh).Seconds()
	})
	gauge("feed_lag_bytes", "WAL between what was handed to the streams and where the database was when it was last asked. NaN before the first time.", func() float64 {
		behind, ok := s.behind(s.hub.Position().LSN + 1) // a position lies one below the end that it stands for
		if !ok {
			return math.NaN()
		}
		return float64(behind)
	})
	gauge("visible_wait_seconds", "How long the transaction at hand has been held back because other sessions do not see it yet; 0 if none is, and without ORGCAST_DISPATCH=visible.", func() float64 {
		if s.gate == nil {
			return 0
		}
		return s.gate.waited().Seconds()
	})
	gauge("slot_retained_bytes", "WAL that the replication slot keeps on the database's disk, as last seen: every ten seconds while there is a connection. NaN before the first time.", func() float64 {
		if slot := s.seen.last.Load(); slot != nil {
			return float64(slot.RetainedBytes)
		}
		return math.NaN()
	})
	gauge("slot_safe_bytes", "WAL that may still be written until the slot may be lost (max_slot_wal_keep_size), as last seen; +Inf without a bound. NaN before the first time.", func() float64 {
		switch slot := s.seen.last.Load(); {
		case slot == nil:
			return math.NaN()
		case slot.Lost():
			return 0
		case !slot.Limited:
			return math.Inf(1)
		default:
			return float64(slot.SafeBytes)
		}
	})
	a.logGauges(s)
}

// logGauges are those of the event log.
func (a *App) logGauges(s *source) {
	gauge := func(name, help string, value func(*eventlog.Log, eventlog.Stats) float64) {
		a.metrics.Gauge("log_"+name, help, func() float64 {
			events := s.opened.Load()
			if events == nil {
				return math.NaN()
			}
			return value(events, events.Stats())
		})
	}
	gauge("events", "Events in the log.", func(_ *eventlog.Log, st eventlog.Stats) float64 { return float64(st.Events) })
	gauge("disk_bytes", "What the log takes on disk.", func(_ *eventlog.Log, st eventlog.Stats) float64 { return float64(st.DiskBytes) })
	gauge("max_bytes", "What it may take: ORGCAST_LOG_BYTES.", func(*eventlog.Log, eventlog.Stats) float64 { return float64(a.config.LogBytes) })
	gauge("deleted_bytes", "What was deleted of the log and lies in its tables still, before compression.", func(_ *eventlog.Log, st eventlog.Stats) float64 { return float64(st.Deleted) })
	gauge("floors", "Organizations that can't be resumed as far back as the log reaches, because they were purged or over their share; at most 65536.", func(_ *eventlog.Log, st eventlog.Stats) float64 { return float64(st.Floors) })
	gauge("purges_waiting", "Deleted and purged organizations whose events are still to be deleted.", func(_ *eventlog.Log, st eventlog.Stats) float64 { return float64(st.Purging) })
	gauge("free_bytes", "Free space of its disk; NaN where the system does not tell.", func(_ *eventlog.Log, st eventlog.Stats) float64 {
		if st.FreeBytes < 0 {
			return math.NaN()
		}
		return float64(st.FreeBytes)
	})
	gauge("syncing", "Batches that wait for their fsync.", func(_ *eventlog.Log, st eventlog.Stats) float64 { return float64(st.InFlight) })
	// The oldest position that can be resumed from.
	gauge("oldest_age_seconds", "Age of the oldest event that can still be replayed; 0 if there is none.", func(_ *eventlog.Log, st eventlog.Stats) float64 {
		if st.Oldest.IsZero() {
			return 0
		}
		return max(time.Since(st.Oldest).Seconds(), 0)
	})
	gauge("oldest_behind_bytes", "WAL between the oldest position that can be resumed from and the log's end.", func(l *eventlog.Log, st eventlog.Stats) float64 {
		end := l.Position()
		if end <= st.Floor.LSN {
			return 0
		}
		return float64(end - st.Floor.LSN)
	})
}
