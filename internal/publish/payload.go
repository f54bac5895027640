package publish

import (
	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
)

// Payload is what an event says: one of the eight structs of this file. Their
// members stand in the contract's order. An empty text, a nil list or object is
// an absent member, or null where the contract has a null.
type Payload interface {
	fields() []field
}

// UserActivity is the payload of user.activity.
type UserActivity struct {
	User             orgcast.UserID
	Action, Resource string
	Metadata         codec.Raw
}

func (p *UserActivity) fields() []field {
	return []field{
		user("userId", &p.User), text("action", &p.Action, 1, maxCategory), text("resource", &p.Resource, 1, maxResource),
		object("metadata", &p.Metadata).orAbsent(),
	}
}

// PropertyUpdate is the payload of property.update.
type PropertyUpdate struct {
	Property      string
	Organization  orgcast.OrganizationID
	Operation     string
	UpdatedFields []string
	Changes       codec.Raw
	UpdatedBy     orgcast.UserID
}

func (p *PropertyUpdate) fields() []field {
	return []field{
		id("propertyId", &p.Property), organization(&p.Organization),
		label("operation", &p.Operation, "create", "update", "archive", "delete"),
		columns("updatedFields", &p.UpdatedFields).orAbsent(), object("changes", &p.Changes).orAbsent(), user("updatedBy", &p.UpdatedBy).orNull(),
	}
}

func (p *PropertyUpdate) disagrees() (field, problem string) {
	if p.Operation == "delete" && p.Changes != nil {
		return "changes", "must be absent when the operation is delete"
	}
	return "", ""
}

// MemberJoin is the payload of member.join. To say it makes nobody a member.
type MemberJoin struct {
	Member       string
	User         orgcast.UserID
	Organization orgcast.OrganizationID
	Role         string
	InvitedBy    orgcast.UserID
}

func (p *MemberJoin) fields() []field {
	return []field{
		id("memberId", &p.Member), user("userId", &p.User), organization(&p.Organization),
		id("role", &p.Role), user("invitedBy", &p.InvitedBy).orNull(),
	}
}

// MemberLeave is the payload of member.leave. To say it removes nobody.
type MemberLeave struct {
	Member       string
	User         orgcast.UserID
	Organization orgcast.OrganizationID
	Reason       string
}

func (p *MemberLeave) fields() []field {
	return []field{
		id("memberId", &p.Member), user("userId", &p.User), organization(&p.Organization),
		text("reason", &p.Reason, 1, maxTitle).orAbsent(),
	}
}

// OrganizationChange is the payload of organization.change.
type OrganizationChange struct {
	Organization orgcast.OrganizationID
	ChangeType   string
	Changes      codec.Raw
	UpdatedBy    orgcast.UserID
}

func (p *OrganizationChange) fields() []field {
	return []field{
		organization(&p.Organization), label("changeType", &p.ChangeType, "name", "settings", "permissions", "billing"),
		object("changes", &p.Changes), user("updatedBy", &p.UpdatedBy).orNull(),
	}
}

// Notification is the payload of notification.new.
type Notification struct {
	User           orgcast.UserID
	Title, Message string
	Priority       string
	Category       string
	Metadata       codec.Raw
}

func (p *Notification) fields() []field {
	return []field{
		user("userId", &p.User), text("title", &p.Title, 1, maxTitle), text("message", &p.Message, 0, maxMessage),
		label("priority", &p.Priority, "low", "medium", "high", "urgent"), text("category", &p.Category, 1, maxCategory),
		object("metadata", &p.Metadata).orAbsent(),
	}
}

// SystemAlert is the payload of system.alert.
type SystemAlert struct {
	AlertType, Message string
	// AffectedUsers, if not nil, are the only ones whom it reaches. An empty
	// list is refused: it would be an alert for nobody, or worse, for all.
	AffectedUsers []orgcast.UserID
	Metadata      codec.Raw
}

func (p *SystemAlert) fields() []field {
	return []field{
		label("alertType", &p.AlertType, "error", "warning", "info", "success"), text("message", &p.Message, 1, maxMessage),
		users("affectedUsers", &p.AffectedUsers).orAbsent(), object("metadata", &p.Metadata).orAbsent(),
	}
}

// DataSync is the payload of data.sync.
type DataSync struct {
	EntityType, Entity, Operation string
	// Data is nil for a delete.
	Data      codec.Raw
	Unchanged []string
}

func (p *DataSync) fields() []field {
	return []field{
		text("entityType", &p.EntityType, 1, maxCategory), id("entityId", &p.Entity),
		label("operation", &p.Operation, "create", "update", "delete"),
		object("data", &p.Data).orNull(), columns("unchanged", &p.Unchanged).orAbsent(),
	}
}

func (p *DataSync) disagrees() (field, problem string) {
	switch {
	case p.Operation == "delete" && p.Data != nil:
		return "data", "must be null when the operation is delete"
	case p.Operation != "delete" && p.Data == nil:
		return "data", "must not be null unless the operation is delete"
	}
	return "", ""
}

// newPayload returns an empty payload of a type.
func newPayload(t orgcast.EventType) Payload {
	switch t {
	case orgcast.UserActivity:
		return &UserActivity{}
	case orgcast.PropertyUpdate:
		return &PropertyUpdate{}
	case orgcast.MemberJoin:
		return &MemberJoin{}
	case orgcast.MemberLeave:
		return &MemberLeave{}
	case orgcast.OrganizationChange:
		return &OrganizationChange{}
	case orgcast.NotificationNew:
		return &Notification{}
	case orgcast.SystemAlert:
		return &SystemAlert{}
	case orgcast.DataSync:
		return &DataSync{}
	}
	return nil
}
