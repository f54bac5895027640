package app

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oikion/orgcast/internal/replication"
)

// slotEye remembers the slot as it was at the last look, and says when it keeps much
// of the WAL, while there is time to do something.
type slotEye struct {
	log  *slog.Logger
	last atomic.Pointer[replication.Slot]

	mu    sync.Mutex
	heavy time.Time // since when it keeps much; zero if it does not
	said  bool
}

// heavyFor is for how long it must keep much: between two of the server's own notes
// of what runs, 15 s apart, a slot keeps all that is written.
const heavyFor = 20 * time.Second

// saw is told of a look. Nil, there is no slot, is no news: the stream breaks by
// itself, and what was seen last stays.
func (e *slotEye) saw(slot *replication.Slot) {
	if slot == nil {
		return
	}
	e.last.Store(slot)
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	switch heavy := slot.Heavy(replication.HeavySlot); {
	case slot.Lost(): // the stream breaks by itself, and says so
		e.heavy, e.said = time.Time{}, false
		return
	case !heavy && e.said:
		e.log.Info("the slot keeps little WAL again", "slot", slot.Name, "bytes", slot.RetainedBytes)
		fallthrough
	case !heavy:
		e.heavy, e.said = time.Time{}, false
		return
	case e.heavy.IsZero():
		e.heavy = now
	}
	if e.said || now.Sub(e.heavy) < heavyFor {
		return
	}
	e.said = true
	until := "without a bound"
	if slot.Limited {
		until = fmt.Sprintf("lost after another %d bytes", max(slot.SafeBytes, 0))
	}
	e.log.Warn("the slot keeps much WAL on the database's disk", "slot", slot.Name, "bytes", slot.RetainedBytes, "until", until,
		"hint", "Run orgcast doctor: a transaction that is open for long, or a feed that is behind, holds it.")
}
