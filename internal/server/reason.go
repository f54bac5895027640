package server

import "slices"

// Reason is why a request or a connection was not served. The set is closed, so
// that it can label a metric.
type Reason string

// The reasons, in the order of the checks.
const (
	// A connection beyond MaxPending: closed without an answer.
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

	ReasonQuery                Reason = "query"
	ReasonMissingOrganization  Reason = "missing_organization"
	ReasonChannel              Reason = "unknown_channel"
	ReasonType                 Reason = "unknown_type"
	ReasonOrganizationID       Reason = "organization_id"
	ReasonTooManyOrganizations Reason = "too_many_organizations"

	ReasonNotMember Reason = "not_member"
	// The user asked too often for organizations that he is not known to be a
	// member of, to make sure of each.
	ReasonBarrierRate Reason = "barrier_rate"
	// The feed could not be shown to have caught up.
	ReasonUnconfirmed Reason = "unconfirmed"

	ReasonUserLimit         Reason = "user_limit"
	ReasonOrganizationLimit Reason = "organization_limit"

	// The client left before it was answered.
	ReasonClientGone Reason = "client_gone"
	ReasonPanic      Reason = "panic"
)

var reasons = []Reason{
	ReasonConnections,
	ReasonOrigin, ReasonBody, ReasonQueryLength, ReasonNotFound, ReasonMethod,
	ReasonDraining, ReasonAddressLimit, ReasonConnectRate, ReasonNodeLimit, ReasonNeverReady,
	ReasonUnauthorized,
	ReasonQuery, ReasonMissingOrganization, ReasonChannel, ReasonType, ReasonOrganizationID, ReasonTooManyOrganizations,
	ReasonNotMember, ReasonBarrierRate, ReasonUnconfirmed,
	ReasonUserLimit, ReasonOrganizationLimit,
	ReasonClientGone, ReasonPanic,
}

// Reasons lists every reason, so that its counter can stand at zero before it
// first happens.
func Reasons() []Reason { return slices.Clone(reasons) }
