package publish

import (
	"errors"
	"slices"

	"github.com/oikion/orgcast"
)

// Scope is what an API key may say. The zero Scope is nothing.
type Scope struct {
	// Organizations are those that may be spoken to; AllOrganizations is each of
	// them, one at a time: it does not include a broadcast.
	Organizations    []orgcast.OrganizationID
	AllOrganizations bool
	// Types are what may be said.
	Types []orgcast.EventType
	// Broadcast is the right to an alert for everyone: organization "*".
	Broadcast bool
}

// Check returns why d may not be said in this scope, or nil. It does not tell
// whether an organization exists.
func (s Scope) Check(d *Draft) *Problem {
	if !slices.Contains(s.Types, d.Type) {
		return d.refuse("type", "is none that this key may publish")
	}
	if d.Organization == orgcast.Everyone {
		switch {
		case d.Type != orgcast.SystemAlert:
			return d.refuse("organizationId", `may be "*" in a system.alert only`)
		case !s.Broadcast:
			return d.refuse("organizationId", `may not be "*": this key has no right to broadcast`)
		}
		return nil
	}
	if !s.AllOrganizations && !slices.Contains(s.Organizations, d.Organization) {
		return d.refuse("organizationId", "is none that this key may publish to")
	}
	return nil
}

func (d *Draft) refuse(field, problem string) *Problem {
	return &Problem{Index: d.index, Field: field, Problem: problem}
}

// Reason is why a message that was published, by SQL or over HTTP, is refused at
// its place in the WAL: a label for a counter.
type Reason string

// The reasons.
const (
	// ReasonNotTransactional: the message does not stand or fall with the rows
	// of its transaction, and has no commit to take its place from.
	ReasonNotTransactional Reason = "not_transactional"
	// ReasonInvalid: it is no event as the contract has it.
	ReasonInvalid Reason = "invalid"
	// ReasonType: its type may not be published by SQL.
	ReasonType Reason = "type_not_allowed"
	// ReasonOrganization: its organization is not there, or is everyone.
	ReasonOrganization Reason = "no_such_organization"

	// ReasonSeal: a message with [PrefixSealed] whose seal does not fit: forged,
	// altered, or sealed with another secret.
	ReasonSeal Reason = "seal"
	// ReasonSealVersion: sealed by another version of the program.
	ReasonSealVersion Reason = "seal_version"
	// ReasonSealDelay: committed too far from when it was sealed.
	ReasonSealDelay Reason = "seal_delay"
	// ReasonReplayed: a copy of a sealed message that came before.
	ReasonReplayed Reason = "replayed"
	// ReasonRepeated: its request was done already, under the same
	// Idempotency-Key. The sender is answered with what came of it then.
	ReasonRepeated Reason = "repeated"
	// ReasonReceiptsFull: it could not be remembered: see [MaxReceipts].
	ReasonReceiptsFull Reason = "receipts_full"
)

// Reasons lists every reason of this room.
func Reasons() []Reason {
	return []Reason{
		ReasonNotTransactional, ReasonInvalid, ReasonType, ReasonOrganization,
		ReasonSeal, ReasonSealVersion, ReasonSealDelay, ReasonReplayed, ReasonRepeated, ReasonReceiptsFull,
	}
}

// SealReason is the reason for which [Open] refuses a message.
func SealReason(err error) Reason {
	switch {
	case errors.Is(err, ErrVersion):
		return ReasonSealVersion
	case errors.Is(err, ErrDelay):
		return ReasonSealDelay
	case errors.Is(err, ErrContent):
		return ReasonInvalid
	}
	return ReasonSeal
}

// Refusal is why a message is refused.
type Refusal struct {
	Reason   Reason
	Problems []Problem
}

// SQLPolicy is what any database role may say. The zero SQLPolicy allows
// nothing.
type SQLPolicy struct {
	// Types are what may be said: [DefaultSQLTypes], unless the operator says
	// otherwise.
	Types []orgcast.EventType
	// Exists tells whether an organization is there, as of the message's place
	// in the WAL.
	Exists func(orgcast.OrganizationID) bool
}

// DefaultSQLTypes are the types that the application alone can know of.
func DefaultSQLTypes() []orgcast.EventType {
	return []orgcast.EventType{orgcast.NotificationNew, orgcast.SystemAlert}
}

// Read reads the content of a logical message with the prefix [Prefix]. Of the
// draft and the refusal exactly one is nil.
func (p SQLPolicy) Read(content []byte, transactional bool) (*Draft, *Refusal) {
	if !transactional {
		return nil, &Refusal{ReasonNotTransactional, []Problem{{Index: Whole, Problem: "must be emitted in its transaction: pg_logical_emit_message(true, …)"}}}
	}
	drafts, problems := Read(content, LimitSQL)
	if len(problems) > 0 {
		return nil, &Refusal{ReasonInvalid, problems}
	}
	d := &drafts[0]
	if !slices.Contains(p.Types, d.Type) {
		return nil, &Refusal{ReasonType, []Problem{*d.refuse("type", "may not be published by SQL: see publish.sql.types")}}
	}
	// Everyone is no organization, so that no directory may ever say it is.
	if d.Organization == orgcast.Everyone || p.Exists == nil || !p.Exists(d.Organization) {
		return nil, &Refusal{ReasonOrganization, []Problem{*d.refuse("organizationId", "is no existing organization")}}
	}
	return d, nil
}
