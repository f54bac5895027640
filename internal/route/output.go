package route

import (
	"bytes"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/sse"
)

// MaxFrame is the largest event, in bytes on the wire; above it, its row's keys
// are sent alone.
const MaxFrame = 64 << 10

// Output gathers what changes become. It is reused: [Output.Reset].
type Output struct {
	Events  []orgcast.Event
	States  []orgcast.StateChange
	Members []orgcast.MemberChange
	// Organizations are those that States makes and unmakes, in order. They stay when
	// States and Events are reset alone: what they mean counts at the commit.
	Organizations []OrganizationChange
	// Sessions are the sessions that States begins, changes or ends.
	Sessions []orgcast.SessionChange
	frames   []byte
	state    []byte
}

// Reset forgets all.
func (o *Output) Reset() {
	o.ResetEvents()
	clear(o.States)
	clear(o.Members)
	clear(o.Organizations)
	o.Organizations = o.Organizations[:0]
	o.States, o.Members, o.Sessions, o.state = o.States[:0], o.Members[:0], o.Sessions[:0], o.state[:0]
	if cap(o.state) > maxKept {
		o.States, o.Organizations, o.Sessions, o.state = nil, nil, nil, nil
	}
}

// maxKept is how much of a transaction's state an Output keeps room for, in
// bytes: what a giant took is given back.
const maxKept = 4 << 20

// ResetEvents forgets the events alone.
func (o *Output) ResetEvents() {
	clear(o.Events)
	o.Events, o.frames = o.Events[:0], o.frames[:0]
}

// ResetStates forgets the changes of state alone, once they are kept elsewhere.
func (o *Output) ResetStates() {
	clear(o.States)
	o.States, o.state = o.States[:0], o.state[:0]
}

// Size is how many bytes of frames and of state are held.
func (o *Output) Size() int { return len(o.frames) + len(o.state) }

// set records that a key of a space now has a value; a nil value unsets it.
// Both are made by append, so that they may be built in o.state itself.
func (o *Output) set(space orgcast.Space, key, value func([]byte) []byte) {
	start := len(o.state)
	o.state = key(o.state)
	mid := len(o.state)
	c := orgcast.StateChange{Space: space, Key: o.state[start:mid:mid]}
	if value != nil {
		o.state = value(o.state)
		c.Value = o.state[mid:len(o.state):len(o.state)]
	}
	o.States = append(o.States, c)
}

// begin starts an event made of the change at ordinal. The caller appends its
// payload to o.frames and calls end with what begin returned.
func (r *Router) begin(o *Output, ordinal, sub uint64, organization orgcast.OrganizationID, t orgcast.EventType) (start int) {
	return r.beginFrom(o, ordinal, sub, organization, t, sse.SourcePostgres)
}

// beginFrom starts an event from another source than a row's change.
func (r *Router) beginFrom(o *Output, ordinal, sub uint64, organization orgcast.OrganizationID, t orgcast.EventType, source string) (start int) {
	start = len(o.frames)
	c := r.cursor(ordinal, sub)
	o.Events = append(o.Events, orgcast.Event{Cursor: c, Organization: organization, Type: t})
	if h := &r.head; !h.made || h.organization != organization || h.eventType != t || h.source != source || h.digits != digitsOf(c.Index) {
		h.make(c, t, organization, r.millis, source)
	}
	o.frames = r.head.append(o.frames, c.Index)
	return start
}

// head is what the events of one transaction, organization, type and source begin with:
// nearly always the same as the event before, but for the index of its cursor,
// which stands in it twice.
type head struct {
	made         bool
	organization orgcast.OrganizationID
	eventType    orgcast.EventType
	source       string
	text         []byte
	first, next  int    // where the index stands
	digits       int    // of the index
	quoted       []byte // the organization, as JSON
	ofProperty   []byte // what follows the key in a property's payload
}

func (h *head) make(c orgcast.Cursor, t orgcast.EventType, organization orgcast.OrganizationID, millis int64, source string) {
	h.made, h.organization, h.eventType, h.source = true, organization, t, source
	h.quoted = sse.AppendString(h.quoted[:0], string(organization))
	h.ofProperty = append(append(append(h.ofProperty[:0], `,"organizationId":`...), h.quoted...), `,"operation":"`...)
	h.text = sse.AppendEventHead(h.text[:0], c, t, organization, millis, source)
	h.digits = digitsOf(c.Index)
	h.first = bytes.IndexByte(h.text, '\n') - h.digits
	place := h.text[len("id: "):h.first]
	h.next = h.first + 1 + bytes.Index(h.text[h.first+1:], place) + len(place)
}

// append appends the head with another index of as many digits.
func (h *head) append(dst []byte, index uint64) []byte {
	start := len(dst)
	dst = append(dst, h.text...)
	text := dst[start:]
	for i := h.digits - 1; i >= 0; i-- {
		digit := base36[index%36]
		text[h.first+i], text[h.next+i] = digit, digit
		index /= 36
	}
	return dst
}

const base36 = "0123456789abcdefghijklmnopqrstuvwxyz"

// digitsOf counts the digits of an index in base 36.
func digitsOf(index uint64) (n int) {
	for n = 1; index >= 36; n++ {
		index /= 36
	}
	return n
}

func (r *Router) end(o *Output, start int, audience orgcast.Audience, truncated bool) {
	o.frames = sse.AppendEventTail(o.frames, truncated)
	e := &o.Events[len(o.Events)-1]
	e.Audience = audience
	e.Frame = o.frames[start:len(o.frames):len(o.frames)]
}

// reset tells an organization that it must refetch, at this place.
func (r *Router) reset(o *Output, ordinal, sub uint64, organization orgcast.OrganizationID, reason orgcast.ResetReason) {
	start := len(o.frames)
	c := r.cursor(ordinal, sub)
	o.frames = sse.AppendReset(o.frames, reason, c)
	o.Events = append(o.Events, orgcast.Event{
		Cursor: c, Organization: organization, Kind: orgcast.KindReset, Frame: o.frames[start:len(o.frames):len(o.frames)],
	})
}

// refetch tells an organization, if it is one, that rows of its have moved.
func (r *Router) refetch(o *Output, ordinal, sub uint64, organization orgcast.OrganizationID) {
	if organization != "" {
		r.reset(o, ordinal, sub, organization, orgcast.ResetMoved)
	}
}

func (r *Router) cursor(ordinal, sub uint64) orgcast.Cursor {
	return orgcast.Cursor{Epoch: r.epoch, LSN: r.tx.CommitLSN, Index: ordinal*orgcast.SubIndexes + sub}
}
