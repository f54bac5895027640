package hub

import (
	"context"
	"errors"
	"slices"

	"github.com/oikion/orgcast"
)

// advance hands out what lies between the cursor and upTo, as much as a step
// may.
func (s *Stream) advance(st *Step, upTo orgcast.Cursor) {
	if s.page != nil {
		s.handOut(st, s.page, minCursor(s.pageTo, upTo))
		s.page = nil
		st.More = s.cursor.Compare(upTo) < 0
		return
	}
	var runs []run
	reached := upTo
	joined := len(s.parts) == 1
	for i := range s.parts {
		p := &s.parts[i]
		var to orgcast.Cursor
		var ok bool
		runs, to, ok = p.tail.collect(runs, s.cursor, upTo, s.view(p), joined, s.hub.config.StepBytes)
		if !ok {
			st.Load = true
			return
		}
		reached = minCursor(reached, to)
	}
	if !joined {
		runs = merge(runs)
	}
	s.handOut(st, runs, reached)
	st.More = s.cursor.Compare(upTo) < 0
}

// handOut gives the runs up to a cursor to the driver.
func (s *Stream) handOut(st *Step, runs []run, upTo orgcast.Cursor) {
	events := 0
	for _, r := range runs {
		if r.last.Compare(upTo) > 0 {
			break
		}
		st.Frames = append(st.Frames, r.frames)
		events += r.events
	}
	s.cursor = upTo
	s.behind += events
	if s.phase == phaseBehind {
		s.replay += events
	}
	if hook := s.hub.config.Hooks.Delivered; hook != nil && events > 0 {
		hook(events)
	}
}

// Load reads the next page from the log. It blocks. An error is the log's: the
// stream can't go on.
func (s *Stream) Load(ctx context.Context) error {
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
			if v.allows(e.Type, e.Kind, e.Audience) {
				runs = append(runs, run{last: e.Cursor, frames: slices.Clone(e.Frame), events: 1})
				budget -= len(e.Frame)
			}
			return true
		})
		switch {
		case errors.Is(err, orgcast.ErrBelowFloor):
			s.reset(orgcast.ResetTooOld, watermark)
			return nil
		case err != nil && s.hub.log.Floor().Epoch != watermark.Epoch:
			s.stranded = true
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
	s.page, s.pageTo = append([]run{}, runs...), reached
	return nil
}

func (s *Stream) view(p *part) view {
	return view{user: s.spec.User, role: p.role, filter: s.spec.Filter}
}

func minCursor(a, b orgcast.Cursor) orgcast.Cursor {
	if a.Compare(b) <= 0 {
		return a
	}
	return b
}
