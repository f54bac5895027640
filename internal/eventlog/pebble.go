package eventlog

import (
	"bytes"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// All that depends on Pebble's version stands in this file. The format is one
// step that can't be taken back: raise it one release after the library, so that
// the previous program can still open the directory.
const pebbleFormat = pebble.FormatValueSeparation

const (
	cacheBytes     = 8 << 20 // the page cache holds the tables too, compressed
	maxMemTable    = 4 << 20 // 16 saves a tenth of an append, and costs 24 MiB more in a giant transaction
	minMemTable    = 1 << 20
	blockBytes     = 32 << 10
	indexBytes     = 64 << 10
	maxOpenFiles   = 500 // the sockets need the rest
	l0Compaction   = 8   // 4 rewrites the open segment twice as often: half as much CPU again for an append
	l0StopWrites   = 24
	memTablesQueue = 3
)

// pebbleOptions are those that were measured for this load; DefaultComparer and
// no filter because a comparer with a suffix turns heuristics for versions on.
func (l *Log) pebbleOptions(lock *pebble.Lock) *pebble.Options {
	po := &pebble.Options{
		FS:                          l.opts.FS,
		Lock:                        lock,
		FormatMajorVersion:          pebbleFormat,
		Comparer:                    pebble.DefaultComparer,
		CacheSize:                   cacheBytes,
		MemTableSize:                uint64(min(max(l.opts.MaxBytes/64, minMemTable), maxMemTable)),
		MemTableStopWritesThreshold: memTablesQueue,
		L0CompactionThreshold:       l0Compaction,
		L0StopWritesThreshold:       l0StopWrites,
		MaxOpenFiles:                maxOpenFiles,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 1 },
		FlushDelayDeleteRange:       time.Second, // truncated state frees its space
		Logger:                      pebbleLogger{l},
		EventListener:               l.listener(),
	}
	po.Experimental.SpanPolicyFunc = spanPolicy
	for i := range po.Levels {
		po.Levels[i].BlockSize = blockBytes
		po.Levels[i].IndexBlockSize = indexBytes
		po.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	}
	return po
}

// spanPolicy cuts tables at the borders of segments, and at those of all events:
// compaction leaves closed segments alone, and dropping one drops whole files.
func spanPolicy(start []byte) (pebble.SpanPolicy, []byte, error) {
	policy := pebble.SpanPolicy{
		DisableValueSeparationBySuffix: true,
		ValueStoragePolicy:             pebble.ValueStorageLowReadLatency,
	}
	events := []byte{prefixEvent}
	if bytes.Compare(start, events) < 0 {
		return policy, events, nil
	}
	if start[0] != prefixEvent {
		return policy, nil, nil
	}
	segment, ok := segmentOfKey(start)
	if !ok { // shorter than any event's key: before the first segment
		return policy, appendSegmentStart(nil, 0), nil
	}
	return policy, prefixEnd(appendSegmentStart(nil, segment)), nil
}

// listener replaces Pebble's defaults, of which the one for corruption ends the
// process: one bad block must cost a segment, not a crash loop.
func (l *Log) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: l.trouble,
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			l.corrupted(info.Bounds.Start, info.Bounds.End.Key,
				fmt.Errorf("%w: %s: %w", errDamaged, info.Path, info.Details))
		},
		FlushEnd:        func(pebble.FlushInfo) { l.changed() },
		CompactionEnd:   func(pebble.CompactionInfo) { l.changed() },
		ManifestCreated: func(pebble.ManifestCreateInfo) { l.changed() },
		TableIngested:   func(pebble.TableIngestInfo) { l.changed() }, // a segment is dropped
		WriteStallBegin: func(pebble.WriteStallBeginInfo) { l.stalled(true) },
		WriteStallEnd:   func() { l.stalled(false) },
	}
}

// changed tells the keeper that the MANIFEST was written. It is called with Pebble's
// locks held.
func (l *Log) changed() {
	select {
	case l.rewritten <- struct{}{}:
	default: // it will look already
	}
}

func (l *Log) stalled(on bool) {
	if l.opts.Hooks.Stalled != nil {
		l.opts.Hooks.Stalled(on)
	}
}

// pebbleLogger turns Pebble's fatal errors into an end of the process. What else
// it says is told by the event listener already.
type pebbleLogger struct{ l *Log }

func (pebbleLogger) Infof(string, ...any) {}

func (p pebbleLogger) Errorf(format string, args ...any) {
	p.l.trouble(fmt.Errorf(format, args...))
}

// Fatalf must not return: Pebble's state is undefined behind it. It does not
// recover either; the next start reads what was fsynced.
func (p pebbleLogger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	p.l.fail(err)
	p.l.opts.Exit(1)
	panic(err)
}
