package server

import "slices"

// Reason is why a request or a connection was not served. The set is closed, so
// that it can label a metric.
type Reason string

// The reasons, in the order of the checks.
const (
	// A connection that one too many cost: closed without an answer.
	ReasonConnections Reason = "connections"

	ReasonOrigin      Reason = "origin"
	ReasonBody        Reason = "body"
	ReasonQueryLength Reason = "query_length"
	ReasonNotFound    Reason = "not_found"
	ReasonMethod      Reason = "method"

	ReasonDraining     Reason = "draining"
	ReasonAddressLimit Reason = "address_limit"
	ReasonConnectRate  Reason = "connect_rate"
	ReasonNodeLimit    Reason = "node_limit"
	ReasonNeverReady   Reason = "never_ready"

	ReasonUnauthorized Reason = "unauthorized"
	// An address that showed too many sessions that are not known, to make sure of
	// each.
	ReasonSessionRate Reason = "session_rate"
	// The feed could not be shown to have caught up with the sessions.
	ReasonSessionUnconfirmed Reason = "session_unconfirmed"

	ReasonQuery                Reason = "query"
	ReasonMissingOrganization  Reason = "missing_organization"
	ReasonChannel              Reason = "unknown_channel"
	ReasonType                 Reason = "unknown_type"
	ReasonOrganizationID       Reason = "organization_id"
	ReasonTooManyOrganizations Reason = "too_many_organizations"
	ReasonConnectionID         Reason = "connection_id"
	ReasonLimit                Reason = "limit"
	ReasonWait                 Reason = "wait"

	ReasonBodyType      Reason = "body_type"
	ReasonBodyTooLarge  Reason = "body_too_large"
	ReasonBodySlow      Reason = "body_slow"
	ReasonBodyMalformed Reason = "body_malformed"
	// No stream has that id, or it is another user's.
	ReasonUnknownConnection Reason = "unknown_connection"

	ReasonNotMember Reason = "not_member"
	// The user asked too often for organizations that he is not known to be a
	// member of, to make sure of each.
	ReasonBarrierRate Reason = "barrier_rate"
	// The feed could not be shown to have caught up.
	ReasonUnconfirmed Reason = "unconfirmed"

	ReasonUserLimit         Reason = "user_limit"
	ReasonOrganizationLimit Reason = "organization_limit"

	// The position, a page: not to be had at the moment.
	ReasonPosition Reason = "position_unknown"
	ReasonPage     Reason = "page_unreadable"

	// An address that showed too many API keys that are none.
	ReasonKeyRate        Reason = "key_rate"
	ReasonKey            Reason = "key"
	ReasonPublishBusy    Reason = "publish_busy"
	ReasonIdempotencyKey Reason = "idempotency_key"
	ReasonKeyScope       Reason = "key_scope"
	ReasonInvalidEvents  Reason = "invalid_events"
	// Nothing was published, and perhaps something was.
	ReasonPublishDown    Reason = "publish_down"
	ReasonPublishUnknown Reason = "publish_unknown"

	// The client left before it was answered.
	ReasonClientGone Reason = "client_gone"
	ReasonPanic      Reason = "panic"
)

var reasons = []Reason{
	ReasonConnections,
	ReasonOrigin, ReasonBody, ReasonQueryLength, ReasonNotFound, ReasonMethod,
	ReasonDraining, ReasonAddressLimit, ReasonConnectRate, ReasonNodeLimit, ReasonNeverReady,
	ReasonUnauthorized, ReasonSessionRate, ReasonSessionUnconfirmed,
	ReasonQuery, ReasonMissingOrganization, ReasonChannel, ReasonType, ReasonOrganizationID, ReasonTooManyOrganizations,
	ReasonConnectionID, ReasonLimit, ReasonWait,
	ReasonBodyType, ReasonBodyTooLarge, ReasonBodySlow, ReasonBodyMalformed, ReasonUnknownConnection,
	ReasonNotMember, ReasonBarrierRate, ReasonUnconfirmed,
	ReasonUserLimit, ReasonOrganizationLimit,
	ReasonPosition, ReasonPage,
	ReasonKeyRate, ReasonKey, ReasonPublishBusy, ReasonIdempotencyKey, ReasonKeyScope, ReasonInvalidEvents, ReasonPublishDown, ReasonPublishUnknown,
	ReasonClientGone, ReasonPanic,
}

// Reasons lists every reason, so that its counter can stand at zero before it
// first happens.
func Reasons() []Reason { return slices.Clone(reasons) }
