package orgcast

import "strings"

// EventType is one of the eight types of the contract's section 2.
type EventType uint8

// The event types. Their numbers are stored in the log: only append.
const (
	UserActivity EventType = iota
	PropertyUpdate
	MemberJoin
	MemberLeave
	OrganizationChange
	NotificationNew
	SystemAlert
	DataSync
	eventTypes
)

// Channel is what a stream can be narrowed to.
type Channel uint8

// The channels. Each event type belongs to one of them.
const (
	ChannelUser Channel = iota
	ChannelProperty
	ChannelOrganization
	ChannelSystem
	ChannelNotifications
	channels
)

var eventTypeNames = [eventTypes]string{
	UserActivity:       "user.activity",
	PropertyUpdate:     "property.update",
	MemberJoin:         "member.join",
	MemberLeave:        "member.leave",
	OrganizationChange: "organization.change",
	NotificationNew:    "notification.new",
	SystemAlert:        "system.alert",
	DataSync:           "data.sync",
}

var eventTypeChannels = [eventTypes]Channel{
	UserActivity:       ChannelUser,
	PropertyUpdate:     ChannelProperty,
	MemberJoin:         ChannelOrganization,
	MemberLeave:        ChannelOrganization,
	OrganizationChange: ChannelOrganization,
	NotificationNew:    ChannelNotifications,
	SystemAlert:        ChannelSystem,
	DataSync:           ChannelOrganization,
}

var channelNames = [channels]string{
	ChannelUser:          "user",
	ChannelProperty:      "property",
	ChannelOrganization:  "organization",
	ChannelSystem:        "system",
	ChannelNotifications: "notifications",
}

// String is the type's name on the wire.
func (t EventType) String() string {
	if t < eventTypes {
		return eventTypeNames[t]
	}
	return "unknown"
}

// Channel is the channel that the type belongs to.
func (t EventType) Channel() Channel {
	if t < eventTypes {
		return eventTypeChannels[t]
	}
	return channels
}

// ParseEventType finds a type by its name on the wire.
func ParseEventType(name string) (EventType, bool) {
	for t, n := range eventTypeNames {
		if n == name {
			return EventType(t), true
		}
	}
	return 0, false
}

// EventTypeNames lists every type, for messages to people.
func EventTypeNames() string { return strings.Join(eventTypeNames[:], ", ") }

// String is the channel's name on the wire.
func (c Channel) String() string {
	if c < channels {
		return channelNames[c]
	}
	return "unknown"
}

// ParseChannel finds a channel by its name. "all" is no channel: see
// [Filter.AddChannel].
func ParseChannel(name string) (Channel, bool) {
	for c, n := range channelNames {
		if n == name {
			return Channel(c), true
		}
	}
	return 0, false
}

// ChannelNames lists what a stream's channel parameter may be, for messages to
// people.
func ChannelNames() string { return strings.Join(channelNames[:], ", ") + ", all" }

// Filter is what a client narrowed its own stream to: channel and type must
// both match. The zero Filter passes everything. It grants nothing: what a
// member may see at all is the [Audience]'s matter.
type Filter struct {
	channels uint8
	types    uint16
}

// AddChannel lets c pass, and with it nothing that was not added.
func (f *Filter) AddChannel(c Channel) { f.channels |= 1 << c }

// AllChannels lets every channel pass again.
func (f *Filter) AllChannels() { f.channels = 0 }

// AddType lets t pass, and with it nothing that was not added.
func (f *Filter) AddType(t EventType) { f.types |= 1 << t }

// All tells whether the filter passes everything.
func (f Filter) All() bool { return f.channels == 0 && f.types == 0 }

// Passes tells whether an event of type t passes.
func (f Filter) Passes(t EventType) bool {
	return (f.channels == 0 || f.channels&(1<<t.Channel()) != 0) &&
		(f.types == 0 || f.types&(1<<t) != 0)
}

// ChannelLabel names the channels that pass, joined by commas, "all" for every
// one of them: the `channel` of the `connection` message.
func (f Filter) ChannelLabel() string {
	if f.channels == 0 {
		return "all"
	}
	var names []string
	for c := range channels {
		if f.channels&(1<<c) != 0 {
			names = append(names, c.String())
		}
	}
	return strings.Join(names, ",")
}
