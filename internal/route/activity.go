package route

import (
	"maps"
	"slices"
	"strings"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
	"github.com/oikion/orgcast/internal/sse"
)

// activity is how rows become user.activity.
type activity struct {
	rule  ActivityRule
	paths picks
}

// picks are the members of a JSON object that may leave; nil is one that may
// leave whole.
type picks map[string]picks

func newActivity(rule *ActivityRule) *activity {
	a := &activity{rule: *rule, paths: picks{}}
	for _, path := range rule.Metadata.Paths {
		at := a.paths
		names := strings.Split(path, ".")
		for _, name := range names[:len(names)-1] {
			if at[name] == nil {
				at[name] = picks{}
			}
			at = at[name]
		}
		at[names[len(names)-1]] = nil
	}
	return a
}

// activity tells what somebody did: a row that is written and never changed.
func (r *Router) activity(b *binding, c *orgcast.Change, out *Output, organization orgcast.OrganizationID) {
	for _, i := range []int{b.user, b.action, b.resourceType, b.resourceID} {
		if !isKey(&c.New[i]) {
			r.withhold(b.table, ReasonValueNull)
			return
		}
	}
	r.fit(out, func(full bool) {
		start := r.begin(out, c.Ordinal, 0, organization, orgcast.UserActivity)
		f := append(out.frames, `{"userId":`...)
		f = sse.AppendText(f, c.New[b.user].Text)
		f = append(f, `,"action":`...)
		f = sse.AppendText(f, c.New[b.action].Text)
		f = append(f, `,"resource":`...)
		r.scratch = append(append(append(r.scratch[:0], c.New[b.resourceType].Text...), ':'), c.New[b.resourceID].Text...)
		f = sse.AppendText(f, r.scratch)
		if full && b.metadata >= 0 && c.New[b.metadata].Kind == orgcast.Text {
			if picked := b.activity.paths.pick(c.New[b.metadata].Text); picked != nil {
				f = append(f, `,"metadata":`...)
				f = sse.AppendJSON(f, picked)
			}
		}
		out.frames = append(f, '}')
		r.end(out, start, b.audience, !full)
	})
}

// pick makes an object of the members that may leave; nil if there are none of
// them, or text is no object.
func (p picks) pick(text []byte) (picked []byte) {
	var members map[string]codec.Raw
	if codec.Loose(text, &members) != nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(p)) {
		value, ok := members[name]
		if deeper := p[name]; ok && deeper != nil {
			value = deeper.pick(value)
		}
		if value == nil {
			continue
		}
		if picked == nil {
			picked = append(picked, '{')
		} else {
			picked = append(picked, ',')
		}
		picked = append(append(sse.AppendString(picked, name), ':'), value...)
	}
	if picked == nil {
		return nil
	}
	return append(picked, '}')
}
