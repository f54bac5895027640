package orgcast

import "slices"

// OrganizationID is the application's own identifier of a tenant. It is
// compared byte for byte; [MaxOrganizationID] bounds it.
type OrganizationID string

// MaxOrganizationID is the longest organization identifier, in bytes, that is
// stored or delivered to.
const MaxOrganizationID = 255

// Everyone stands in place of an organization in an event for all of them.
const Everyone OrganizationID = "*"

// UserID is the application's own identifier of a user.
type UserID string

// Kind tells what an entry of the log is.
type Kind uint8

const (
	// KindEvent is an event of the contract's section 2.
	KindEvent Kind = iota
	// KindReset is a `reset` control message that has a place in the order of
	// events: its readers must refetch before they go on.
	KindReset
)

// Audience narrows an event to some members of its organization. The zero
// Audience is every member.
type Audience struct {
	// User, if not empty, is the only user who may see the event.
	User UserID
	// Users, if not empty, are the only users who may see it.
	Users []UserID
	// Roles, if not empty, are the membership roles that may see it.
	Roles []string
}

// All tells whether every member may see the event.
func (a Audience) All() bool { return a.User == "" && len(a.Users) == 0 && len(a.Roles) == 0 }

// Allows tells whether a present member may see the event.
func (a Audience) Allows(user UserID, role string) bool {
	return (a.User == "" || a.User == user) &&
		(len(a.Users) == 0 || slices.Contains(a.Users, user)) &&
		(len(a.Roles) == 0 || slices.Contains(a.Roles, role))
}

// Event is one message for the members of one organization, in the form in
// which it is logged and sent.
type Event struct {
	Cursor       Cursor
	Organization OrganizationID
	Kind         Kind
	Type         EventType
	Audience     Audience
	// Frame is the finished Server-Sent Event, from "id:" to the empty line.
	Frame []byte
}
