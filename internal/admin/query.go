package admin

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/oikion/orgcast"
)

// parameters reads a call's query: only those that are named, each once unless it
// may be repeated.
type parameters struct {
	values  url.Values
	problem string // the first
}

func newParameters(query string, once, repeated []string) *parameters {
	p := &parameters{}
	values, err := url.ParseQuery(query)
	if err != nil {
		p.refuse("the query can't be read")
		return p
	}
	p.values = values
	for name, list := range values {
		switch {
		case slices.Contains(repeated, name):
		case !slices.Contains(once, name):
			p.refuse("unknown parameter %.64q", name)
		case len(list) > 1:
			p.refuse("%s is given twice", name)
		}
	}
	return p
}

func (p *parameters) refuse(format string, args ...any) {
	if p.problem == "" {
		p.problem = fmt.Sprintf(format, args...)
	}
}

func (p *parameters) organization() orgcast.OrganizationID {
	id := orgcast.OrganizationID(p.values.Get("organizationId"))
	if problem := checkOrganization(id); problem != "" {
		p.refuse("%s", problem)
	}
	return id
}

// cursor reads a cursor; ok is false if there is none.
func (p *parameters) cursor(name string) (c orgcast.Cursor, ok bool) {
	if !p.values.Has(name) {
		return c, false
	}
	c, err := orgcast.ParseCursor(p.values.Get(name))
	if err != nil {
		p.refuse("%s: %v", name, err)
	}
	return c, true
}

// filter reads channels and types.
func (p *parameters) filter() (f orgcast.Filter) {
	for _, name := range p.values["channel"] {
		switch c, ok := orgcast.ParseChannel(name); {
		case ok:
			f.AddChannel(c)
		case name != "all":
			p.refuse("channel: it is one of %s", orgcast.ChannelNames())
		}
	}
	if slices.Contains(p.values["channel"], "all") {
		f.AllChannels()
	}
	for _, name := range p.values["type"] {
		t, ok := orgcast.ParseEventType(name)
		if !ok {
			p.refuse("type: it is one of %s", orgcast.EventTypeNames())
			continue
		}
		f.AddType(t)
	}
	return f
}
