package publish

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
)

// Draft is an event that an application wants to be sent: read, but without a
// place in the order of events yet.
type Draft struct {
	Type         orgcast.EventType
	Organization orgcast.OrganizationID
	// Audience is all that this member of the vocabulary can say of who may see
	// the event. AffectedUsers narrows it further: if not nil, only these users.
	Audience      orgcast.Audience
	AffectedUsers []orgcast.UserID
	Payload       Payload

	index int // in its batch, for problems
}

// Limit bounds what [Read] takes.
type Limit struct {
	// Bytes is the largest body.
	Bytes int
	// Events is how many an array may have; 0: no array, exactly one object.
	Events int
}

// The limits of the two ways to publish.
var (
	LimitHTTP = Limit{Bytes: 256 << 10, Events: 100}
	LimitSQL  = Limit{Bytes: 64 << 10}
)

// MaxPayload is the largest payload, in bytes as it is sent. With its envelope
// it stays below the 64 KiB of a frame, so that no published event is truncated.
const MaxPayload = 60 << 10

// Read reads one event, or an array of them. If there is any problem, there are
// no drafts.
func Read(data []byte, limit Limit) ([]Draft, []Problem) {
	texts, problem := split(data, limit)
	if problem != "" {
		return nil, []Problem{{Index: Whole, Problem: problem}}
	}
	drafts := make([]Draft, 0, len(texts))
	var r reader
	for i, text := range texts {
		drafts = append(drafts, r.event(i, text))
	}
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	return drafts, nil
}

// split cuts a body into the texts of its events. It stops at the first one too
// many, so that an array of millions costs nothing.
func split(data []byte, limit Limit) (texts []codec.Raw, problem string) {
	const space = " \t\r\n"
	if len(data) > limit.Bytes {
		return nil, fmt.Sprintf("is larger than %d bytes", limit.Bytes)
	}
	data = bytes.Trim(data, space)
	if len(data) == 0 {
		return nil, "is empty"
	}
	if data[0] != '[' {
		return []codec.Raw{data}, ""
	}
	if limit.Events == 0 {
		return nil, "must be one object"
	}
	const malformed = "is not JSON"
	tokens := codec.Tokens(data)
	if _, err := tokens.Token(); err != nil {
		return nil, malformed
	}
	for tokens.More() {
		if len(texts) == limit.Events {
			return nil, fmt.Sprintf("has more than %d events", limit.Events)
		}
		var text codec.Raw
		if err := tokens.Decode(&text); err != nil {
			return nil, malformed
		}
		texts = append(texts, text)
	}
	if _, err := tokens.Token(); err != nil {
		return nil, malformed
	}
	if int(tokens.InputOffset()) != len(data) {
		return nil, "is followed by more text"
	}
	if len(texts) == 0 {
		return nil, "has no event"
	}
	return texts, ""
}

// reader gathers the problems of a batch.
type reader struct {
	problems []Problem
	index    int
}

func (r *reader) add(field, problem string) {
	r.problems = append(r.problems, Problem{Index: r.index, Field: field, Problem: problem})
}

// event reads one event. After a problem the draft means nothing.
func (r *reader) event(index int, text codec.Raw) Draft {
	r.index = index
	before := len(r.problems)
	d := Draft{index: index}
	var members map[string]codec.Raw
	if err := codec.Unmarshal(text, &members); err != nil {
		r.add("", explain(err))
		return d
	}
	var name string
	var known bool
	head := []field{label("type", &name, eventTypes...), organization(&d.Organization)}
	r.fields("", head, members, "payload")
	payload, given := members["payload"]
	if d.Type, known = orgcast.ParseEventType(name); known {
		d.Payload = newPayload(d.Type)
	}
	switch {
	case !given:
		r.add("payload", "is missing")
	case payload[0] != '{':
		r.add("payload", "must be an object")
	case known:
		r.payload(&d, payload)
	}
	if len(r.problems) == before {
		r.finish(&d)
	}
	return d
}

var eventTypes = strings.Split(orgcast.EventTypeNames(), ", ")

// payload reads d's payload.
func (r *reader) payload(d *Draft, text codec.Raw) {
	var members map[string]codec.Raw
	if err := codec.Loose(text, &members); err != nil { // walked through already, with its event
		r.add("payload", "is not JSON")
		return
	}
	fields := d.Payload.fields()
	r.fields("payload.", fields, members)
	for _, f := range fields {
		if f.name == "organizationId" && *f.text != "" && *f.text != string(d.Organization) {
			r.add("payload.organizationId", "must be the event's organizationId")
		}
	}
}

// fields reads an object's members; besides the fields it may have others.
func (r *reader) fields(prefix string, fields []field, members map[string]codec.Raw, others ...string) {
	known := 0
	for i := range fields {
		f := &fields[i]
		raw, given := members[f.name]
		if given {
			known++
		}
		if problem := f.read(raw); problem != "" {
			r.add(prefix+f.name, problem)
		}
	}
	for _, name := range others {
		if _, given := members[name]; given {
			known++
		}
	}
	if known == len(members) {
		return
	}
	all := make([]string, 0, len(fields)+len(others))
	for _, f := range fields {
		all = append(all, f.name)
	}
	r.add(strings.TrimSuffix(prefix, "."), "has a member that is none of "+strings.Join(append(all, others...), ", "))
}

// finish checks what no single member shows, and says whom the event may reach.
func (r *reader) finish(d *Draft) {
	if p, ok := d.Payload.(interface {
		disagrees() (field, problem string)
	}); ok {
		if field, problem := p.disagrees(); problem != "" {
			r.add("payload."+field, problem)
		}
	}
	switch p := d.Payload.(type) {
	case *Notification:
		d.Audience.User = p.User
	case *SystemAlert:
		d.AffectedUsers = p.AffectedUsers
	}
	if len(AppendPayload(nil, d)) > MaxPayload {
		r.add("payload", fmt.Sprintf("is larger than %d bytes as it is sent", MaxPayload))
	}
}
