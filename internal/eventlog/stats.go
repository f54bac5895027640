package eventlog

import (
	"time"

	"github.com/oikion/orgcast"
)

// Stats is what there is of the log now.
type Stats struct {
	Segments  int
	Events    int64
	DiskBytes int64 // all files, also those on their way out
	FreeBytes int64 // of the disk; -1 if it can't be known
	InFlight  int64 // batches that wait for their fsync
	Floor     orgcast.Cursor
	// Deleted is what lies in tables still, though it was deleted, in bytes before
	// compression.
	Deleted int64
	// Floors is how many organizations have a floor of their own, and Purging how many
	// of them have events that are still to be deleted.
	Floors, Purging int
	// Oldest is when the first of the events was appended, by our clock; zero if
	// there is none.
	Oldest time.Time
}

// Stats returns figures for metrics. It takes well below a millisecond.
func (l *Log) Stats() Stats {
	if !l.enter() {
		return Stats{FreeBytes: -1}
	}
	defer l.readers.Done()
	s := Stats{
		DiskBytes: int64(l.db.Metrics().DiskSpaceUsage()),
		FreeBytes: l.space.free.Load(),
		InFlight:  l.pending.Load(),
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	s.Segments, s.Floor = len(l.segments), l.floor
	s.Floors, s.Purging = len(l.purged), len(l.purging)
	if s.Segments > 0 {
		s.Oldest = time.Unix(0, l.segments[0].opened)
	}
	for i := range l.segments {
		s.Events += int64(l.segments[i].events)
		s.Deleted += int64(l.segments[i].garbage)
	}
	return s
}
