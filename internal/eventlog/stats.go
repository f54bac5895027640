package eventlog

import "github.com/oikion/orgcast"

// Stats is what there is of the log now.
type Stats struct {
	Segments  int
	Events    int64
	DiskBytes int64 // all files, also those on their way out
	FreeBytes int64 // of the disk; -1 if it can't be known
	InFlight  int64 // batches that wait for their fsync
	Floor     orgcast.Cursor
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
	for i := range l.segments {
		s.Events += int64(l.segments[i].events)
	}
	return s
}
