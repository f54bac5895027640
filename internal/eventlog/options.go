package eventlog

import (
	"fmt"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/oikion/orgcast"
)

// Bounds and defaults.
const (
	defaultMaxBytes   = 4 << 30
	minMaxBytes       = 32 << 20 // below, the write-ahead log alone fills it
	defaultMaxAge     = 7 * 24 * time.Hour
	defaultSegmentAge = 6 * time.Hour
	defaultReplays    = 4 // measured: appends' p99 stays below 9 ms with 4, not without a bound
	defaultMinFree    = 256 << 20
	// defaultRewriteAfter: a table is rewritten whole, 2-3 s of CPU for each GB, however
	// little goes. So an hour's deletions pay once; and whoever was removed by one of
	// them has long been told.
	defaultRewriteAfter = time.Hour

	// stuckAfter is how long work may be pending without any fsync done.
	stuckAfter = 5 * time.Second
	// keepEvery is how often bounds and free space are looked at.
	keepEvery = 2 * time.Second
)

// Options of a [Log]. The zero value is good for production.
type Options struct {
	// MaxBytes bounds the log on disk. Organizations that are over their share lose
	// their own oldest events first, then the oldest segment goes: see trim.go. While
	// tables are rewritten it may be exceeded by an eighth; a single transaction that is
	// larger exceeds it until its end. Default 4 GiB, at least 32 MiB.
	MaxBytes int64
	// MaxAge is how long events are wished to be kept; whole segments go.
	// Default 7 days.
	MaxAge time.Duration
	// SegmentAge is after how long a new segment is begun. Default 6 h.
	SegmentAge time.Duration
	// MinFree is the free disk space in bytes below which Open and Append refuse;
	// from an eighth more on, the oldest segments are given up. A quarter of it is
	// held back in a reserve file. Default 256 MiB; negative: never look.
	MinFree int64
	// RewriteAfter is how long the events of an organization that the application
	// deleted, which nobody begins to read any more, lie in the tables at most while the
	// log is open. Default 1 h.
	RewriteAfter time.Duration
	// Replays is how many readers may read at once. Default 4.
	Replays int
	// Now is the clock; it decides about ages only, never about order.
	Now func() time.Time
	// Hooks tell what happened.
	Hooks Hooks
	// Exit ends the process after a write error that Pebble can't survive.
	// It must not return. Default os.Exit.
	Exit func(code int)
	// FS is the file system; nil is the real one.
	FS vfs.FS
}

// Hooks tell the owner what happens inside. Every one is optional. They are
// called from the log's own goroutines, some with Pebble's locks held: they must
// be quick and must not call the log.
type Hooks struct {
	// Durable is called in order, after each fsync, with the last position that it
	// covers.
	Durable func(orgcast.LSN)
	// Failed is called once, with the error that ended all writing. The process
	// should exit and be restarted.
	Failed func(error)
	// Retired tells how many events and bytes, before compression, were given
	// up for MaxBytes, MaxAge, MinFree or a damaged block, or since other rules made
	// them: see [Log.ChangeRules].
	Retired func(events, bytes int64)
	// Trimmed tells of how many organizations that were over their share how many
	// events and bytes, before compression, were given up for MaxBytes.
	Trimmed func(organizations int, events, bytes int64)
	// Folded tells how many organizations lost their own floor, because there were too
	// many, to the log's, which rose: some replays end earlier than they must.
	Folded func(organizations int)
	// Purged tells how many events and bytes, before compression, a purge removed.
	Purged func(events, bytes int64)
	// Damaged tells of what was found broken: before a directory is set aside,
	// and when a block's checksum is wrong.
	Damaged func(error)
	// Trouble tells of a background error by which nothing is lost yet, such as
	// a flush onto a full disk; at most one call in keepEvery, with the count.
	Trouble func(n int64, last error)
	// Stalled tells that Pebble holds appends back, and that it no longer does.
	Stalled func(bool)
}

func (o *Options) setDefaults() error {
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.MaxBytes < minMaxBytes {
		return orgcast.WithHint("open log", fmt.Errorf("bound of %d bytes is too small", o.MaxBytes),
			fmt.Sprintf("set the log's maximum size to at least %d bytes", minMaxBytes))
	}
	if o.MaxAge <= 0 {
		o.MaxAge = defaultMaxAge
	}
	if o.SegmentAge <= 0 {
		o.SegmentAge = defaultSegmentAge
	}
	if o.RewriteAfter <= 0 {
		o.RewriteAfter = defaultRewriteAfter
	}
	if o.Replays <= 0 {
		o.Replays = defaultReplays
	}
	if o.MinFree == 0 {
		o.MinFree = defaultMinFree
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Exit == nil {
		o.Exit = os.Exit
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	return nil
}

// segmentBytes is the size, before compression, at which a segment is full.
// Compressed to 40% it is a fortieth of the bound: few enough segments for a
// replay over all of them, small enough to give up one at a time.
func (o *Options) segmentBytes() uint64 { return uint64(o.MaxBytes / 16) }

// reserveBytes is the size of the reserve file.
func (o *Options) reserveBytes() int64 { return max(o.MinFree/4, 0) }
