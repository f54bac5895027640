package feed

import (
	"bytes"
	"slices"

	"github.com/oikion/orgcast"
)

// What follows is reached only with faults planted: see internal/plant.

// plantedMembers and plantedStates are what the transaction before did to
// members, plantedEvent is its last event, if that is still to be told.
var (
	plantedMembers []orgcast.MemberChange
	plantedStates  []orgcast.StateChange
	plantedEvent   *orgcast.Event
)

// plantedLate puts what the transaction before did to members in the place of
// what the one at hand does, at its end.
func plantedLate(f *Feed) {
	if f.parted {
		return
	}
	members, states := f.out.Members, []orgcast.StateChange(nil)
	f.out.States = slices.DeleteFunc(f.out.States, func(c orgcast.StateChange) bool {
		if c.Space != orgcast.SpaceMembers {
			return false
		}
		c.Key, c.Value = bytes.Clone(c.Key), bytes.Clone(c.Value)
		states = append(states, c)
		return true
	})
	f.out.Members, f.out.States = plantedMembers, append(f.out.States, plantedStates...)
	for i := range f.out.Members {
		f.out.Members[i].Cursor = orgcast.Position(f.epoch, f.tx.EndLSN)
	}
	plantedMembers, plantedStates = slices.Clone(members), states
}

// plantedSplit puts the last event of the transaction before behind those of the
// one at hand, and keeps that one's own last.
func plantedSplit(f *Feed) {
	n := len(f.out.Events)
	if f.parted || n == 0 {
		return
	}
	held := plantedEvent
	place := f.out.Events[n-1].Cursor
	if plantedEvent = nil; n > 1 && held == nil {
		e := f.out.Events[n-1]
		e.Frame = bytes.Clone(e.Frame)
		plantedEvent, f.out.Events = &e, f.out.Events[:n-1]
	}
	if held != nil {
		was := held.Cursor
		held.Cursor = place
		held.Cursor.Index++
		held.Frame = bytes.ReplaceAll(held.Frame, was.Append(nil), held.Cursor.Append(nil))
		f.out.Events = append(f.out.Events, *held)
	}
}
