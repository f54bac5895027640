package orgcast

// ClosingReason tells a client why the server ends its stream.
type ClosingReason string

// The closing reasons of the contract's section 1.
const (
	ClosingSessionExpired    ClosingReason = "session_expired"
	ClosingMembershipRevoked ClosingReason = "membership_revoked"
	ClosingLease             ClosingReason = "lease"
	ClosingSlowConsumer      ClosingReason = "slow_consumer"
	ClosingShutdown          ClosingReason = "shutdown"
	ClosingByClient          ClosingReason = "closed_by_client"
	ClosingByOperator        ClosingReason = "closed_by_operator"
)

// Reconnect tells whether a client that is closed for this reason is welcome
// back.
func (r ClosingReason) Reconnect() bool {
	switch r {
	case ClosingMembershipRevoked, ClosingByClient, ClosingByOperator:
		return false
	}
	return true
}

// ResetReason tells a client why its cursor can't be resumed without a gap.
type ResetReason string

// The reset reasons of the contract's section 1.
const (
	ResetTooOld    ResetReason = "too_old"
	ResetTooMany   ResetReason = "too_many"
	ResetEpoch     ResetReason = "epoch"
	ResetAhead     ResetReason = "ahead"
	ResetMalformed ResetReason = "malformed"
	ResetMoved     ResetReason = "moved"
)

// FeedState is what a client is told of the change feed.
type FeedState string

// The states of the `status` message.
const (
	FeedStale FeedState = "stale"
	FeedLive  FeedState = "live"
)
