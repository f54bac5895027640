package hub

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/plant"
)

// collect is what lies between the cursor and upTo, as much as a step may take,
// and how far that reaches. What lies beyond it is not to be taken. ok is false
// if there must be a Load first. Events in a row are one run if joined, which
// is for one organization only.
func (s *Stream) collect(upTo orgcast.Cursor, joined bool) (runs []run, reached orgcast.Cursor, ok bool) {
	if s.loaded != nil {
		runs = s.loaded
		s.loaded = nil
		return runs, minCursor(s.loadedTo, upTo), true
	}
	runs, reached = s.runs[:0], upTo
	for i := range s.parts {
		p := &s.parts[i]
		var to orgcast.Cursor
		var ok bool
		runs, to, ok = p.tail.collect(runs, s.cursor, upTo, s.view(p), joined, s.hub.config.StepBytes)
		if !ok {
			clear(runs)
			return nil, s.cursor, false
		}
		reached = minCursor(reached, to)
	}
	if s.runs = runs; cap(runs) > maxRuns {
		s.runs = nil
	}
	if len(s.parts) > 1 {
		runs = merge(runs)
	}
	return runs, reached, true
}

// maxRuns is for how many runs a stream keeps room: a live one has one or two.
const maxRuns = 4

// handOut gives the runs up to a cursor to the driver.
func (s *Stream) handOut(st *Step, runs []run, upTo orgcast.Cursor) {
	events, resets := 0, 0
	var newest stamp
	if plant.ReplayOffByOne && s.phase == phaseBehind && s.spec.HasResume && s.replay == 0 && len(runs) > 0 { // from the event after the next
		runs, s.replay = runs[1:], 1
	}
	for _, r := range runs {
		if r.last.Compare(upTo) > 0 {
			break
		}
		st.Frames = append(st.Frames, r.frames)
		events += r.events
		resets += r.resets
		newest = r.stamp
	}
	if s.phase == phaseLive { // what was missed in an absence took no time to arrive
		st.Newest = s.hub.stamped(newest)
	}
	clear(runs) // what a tail drops must not live on in the room for runs
	s.cursor = upTo
	s.behind += events
	events -= resets
	if s.phase == phaseBehind {
		s.replay += events
	}
	if hook := s.hub.config.Hooks.Delivered; hook != nil && events > 0 {
		hook(events)
	}
}

// skippedCost is what an event that a stream does not want counts of a page, in
// bytes: it bounds how long a page holds one of the log's places.
const skippedCost = 64

// Load reads what comes next from the log. It blocks. An error is the log's: the
// stream can't go on.
func (s *Stream) Load(ctx context.Context) error {
	if !s.lapped.IsZero() {
		begun := time.Now()
		defer func() {
			if !s.lapped.IsZero() {
				s.lapped = s.lapped.Add(time.Since(begun)) // the log's slowness is not the peer's
			}
		}()
	}
	watermark := s.hub.Position()
	if s.cursor.Epoch != watermark.Epoch {
		return nil // the next step resets it
	}
	if s.behind >= s.hub.config.ReplayEvents {
		s.reset(orgcast.ResetTooMany, watermark)
		return nil
	}
	reached := watermark
	var runs []run
	for i := range s.parts {
		p := &s.parts[i]
		v := s.view(p)
		budget := s.hub.config.StepBytes
		last := s.cursor
		full := false
		err := s.hub.log.Read(ctx, p.organization, s.cursor, watermark, func(e *orgcast.Event) bool {
			if budget <= 0 {
				full = true
				return false
			}
			last = e.Cursor
			if v.allows(e.Type, e.Kind, e.Audience) || plant.ReplayUnfiltered && e.Audience.Allows(v.user, v.role) {
				r := run{last: e.Cursor, frames: slices.Clone(e.Frame), events: 1, kind: e.Kind, stamp: stampOf(e.Frame)}
				if e.Kind == orgcast.KindReset {
					r.resets = 1
				}
				runs = append(runs, r)
				budget -= len(e.Frame)
			} else {
				budget -= skippedCost // what a filter leaves out is work too
			}
			return true
		})
		switch {
		case errors.Is(err, orgcast.ErrBelowFloor):
			s.reset(orgcast.ResetTooOld, watermark)
			return nil
		case err != nil && s.hub.log.Floor(p.organization).Epoch != watermark.Epoch:
			s.stranded, s.lapped = true, time.Time{}
			return nil
		case err != nil:
			return err
		case full:
			reached = minCursor(reached, last)
		}
	}
	if len(s.parts) > 1 {
		runs = merge(runs)
	}
	s.loaded, s.loadedTo, s.loadedWith = append([]run{}, runs...), reached, s.passes
	return nil
}

func (s *Stream) view(p *part) view {
	return view{user: s.spec.User, role: p.role, filter: s.passes}
}

func minCursor(a, b orgcast.Cursor) orgcast.Cursor {
	if a.Compare(b) <= 0 {
		return a
	}
	return b
}
