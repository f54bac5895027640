package feed

import (
	"slices"

	"github.com/oikion/orgcast"
)

// A transaction that is too large for memory has been committed long before all of
// it is here, and whoever commits next waits for it. So that he waits no longer than
// for PostgreSQL to send it, its rows are routed and stored as they come. That ends
// at the first row that asks a parent: whose it is, a later row of the transaction
// may say. From there on, frames go to a file until the commit, which routes them.
//
// Nothing of it counts before the commit: what is stored are parts, the router is
// dirty, and neither directory nor streams have heard of it.

// more takes a frame of a large transaction. With the first one it turns out to be
// one.
func (f *Feed) more(frame []byte) error {
	if !f.large {
		f.setLarge(true)
		if err := f.spool.each(f.look); err != nil {
			return err
		}
		if !f.asks {
			if err := f.spool.each(f.route); err != nil {
				return err
			}
			f.spool.memory = nil
		}
	}
	if err := f.look(frame); err != nil {
		return err
	}
	if f.asks {
		return f.spool.add(frame)
	}
	return f.route(frame)
}

func (f *Feed) setLarge(large bool) {
	f.large = large
	if f.hooks.Large != nil {
		f.hooks.Large(large)
	}
}

// partSize is how many bytes of events and state are gathered before a part of a
// large transaction is stored, and partEvents how many events or changes of state.
// Once it is known to be large, a quarter will do: batches of that size are pooled.
const (
	partSize   = 1 << 20
	partEvents = 4096
)

// part stores what a large transaction has come to so far. Of its state only what
// the directory is to learn stays in memory.
func (f *Feed) part() error {
	f.parted = true
	if err := f.log.Append(f.batch(), 0, f.tx.CommitTime); err != nil {
		return err
	}
	if len(f.out.Events) > 0 {
		f.hub.Part(f.out.Events, !f.lapped)
		f.lapped = true
	}
	for _, c := range f.out.States {
		if c.Space != orgcast.SpaceParents {
			c.Key, c.Value = slices.Clone(c.Key), slices.Clone(c.Value)
			f.known = append(f.known, c)
		}
	}
	f.out.ResetEvents()
	f.out.ResetStates()
	return nil
}
