package ear

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/oikion/orgcast/internal/verify"
)

// change asks for other filters again and again, while the stream goes on.
func (s *hearing) change(ctx context.Context) {
	for verify.Pause(ctx, time.Duration((1+s.Ear.changes.Float64()*4)*float64(s.options.Pace))) == nil {
		if s.isSettled() || !s.isLive() {
			continue
		}
		f := s.refilter(s.Ear.changes.IntN)
		to, ok := s.put(ctx, f)
		if ctx.Err() != nil {
			return
		}
		if !ok {
			s.stopFor(CutPut)
			return
		}
		s.add(verify.Entry{What: verify.Asked, Filter: f, Cursor: to, Reason: "put done"})
		// Two changes at a time nobody could tell apart.
		for s.Reached().Epoch == to.Epoch && s.Reached().Compare(to.Place) < 0 {
			if verify.Pause(ctx, 20*time.Millisecond) != nil {
				return
			}
		}
	}
}

func (e *Ear) isLive() bool {
	live, _ := e.State()
	return live
}

// put changes the filters, and says up to where the ones before may still count.
func (s *hearing) put(ctx context.Context, f *verify.Filter) (verify.Cursor, bool) {
	body, err := json.Marshal(map[string][]string{"channels": f.Channels, "types": f.Types})
	if err != nil {
		s.broken(err.Error())
		return verify.Cursor{}, false
	}
	header := http.Header{"Content-Type": {"application/json"}}
	a, err := s.call(ctx, http.MethodPut, "stream", url.Values{"connectionId": {s.id}}, header, string(body), func() {
		s.add(verify.Entry{What: verify.Asked, Filter: f, Reason: "put"})
	})
	if err != nil {
		return verify.Cursor{}, false
	}
	a.close()
	if a.StatusCode/100 != 2 {
		return verify.Cursor{}, false
	}
	if a, err = s.call(ctx, http.MethodGet, "cursor", s.query(nil), nil, "", nil); err != nil {
		return verify.Cursor{}, false
	}
	if a.StatusCode != http.StatusOK {
		a.close()
		return verify.Cursor{}, false
	}
	c, _, ok := s.cursor(a)
	return c, ok
}
