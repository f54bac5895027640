package route

import (
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/publish"
	"github.com/oikion/orgcast/internal/sse"
)

// Receipts tells what was published over HTTP, as of the transaction before the
// one at hand.
type Receipts interface {
	Batch(id [16]byte) *publish.Receipt
	Request(request [32]byte, now time.Time) *publish.Receipt
	Over(now time.Time, most int) [][16]byte
	Full(now time.Time) bool
}

// Unseal makes the router take sealed messages; without it none is one.
func (r *Router) Unseal(secret *publish.Secret, receipts Receipts) {
	r.secret, r.receipts = secret, receipts
}

// forgetAtOnce is how many receipts each sealed message takes away at most: more
// than it makes, so that they do not grow, and few enough for one batch.
const forgetAtOnce = 4

// sealed tells the events of a sealed message. Any database role can emit a copy
// of one, or what looks like one: only what opens, comes for the first time and
// was not asked for before is told.
func (r *Router) sealed(c *orgcast.Change, out *Output) {
	s, reason := r.open(c)
	if reason != "" {
		r.refuse(reason, []publish.Problem{{Index: publish.Whole, Problem: sealProblem(reason)}})
		return
	}
	batch := r.receipt(s.ID)
	if batch == nil {
		batch = &publish.Receipt{ID: s.ID, Request: s.Idempotency, IssuedAt: s.IssuedAt, Total: s.Total}
	}
	part := publish.ReceiptPart{First: s.First, Events: len(s.Drafts), At: r.cursor(c.Ordinal, 0)}
	for i := range s.Drafts {
		d := &s.Drafts[i]
		if problem := r.lost(d); problem != nil {
			problem.Index = s.First + i
			r.refuse(problem.reason, []publish.Problem{problem.Problem})
			continue
		}
		part.Told |= 1 << i
		r.tell(c.Ordinal, uint64(i), d, out)
	}
	batch = batch.With(part)
	r.said[s.ID] = batch
	for _, id := range r.receipts.Over(r.tx.CommitTime, forgetAtOnce) {
		if r.said[id] == nil {
			out.set(orgcast.SpaceReceipts, func(k []byte) []byte { return append(k, id[:]...) }, nil)
		}
	}
	out.set(orgcast.SpaceReceipts, func(k []byte) []byte { return append(k, s.ID[:]...) }, batch.Append)
}

// open opens a sealed message that is to be told. Else it says why it is not.
func (r *Router) open(c *orgcast.Change) (*publish.Sealed, publish.Reason) {
	switch {
	case !c.Transactional:
		return nil, publish.ReasonNotTransactional
	case r.secret == nil:
		return nil, publish.ReasonSeal
	}
	s, err := publish.Open(r.secret, c.Content, r.tx.CommitTime)
	if err != nil {
		return nil, publish.SealReason(err)
	}
	batch := r.receipt(s.ID)
	switch {
	case batch != nil && batch.Has(s.First):
		return nil, publish.ReasonReplayed
	case r.repeated(s):
		return nil, publish.ReasonRepeated
	case batch == nil && r.receipts.Full(r.tx.CommitTime):
		return nil, publish.ReasonReceiptsFull
	}
	return s, ""
}

// receipt is a batch's, also of the transaction at hand.
func (r *Router) receipt(id [16]byte) *publish.Receipt {
	if batch := r.said[id]; batch != nil {
		return batch
	}
	return r.receipts.Batch(id)
}

// repeated tells whether another batch has done what this one was asked to do.
func (r *Router) repeated(s *publish.Sealed) bool {
	if s.Idempotency == [32]byte{} {
		return false
	}
	for id, batch := range r.said { // one, but for copies: a batch is a transaction of its own
		if batch.Request == s.Idempotency && id != s.ID {
			return true
		}
	}
	batch := r.receipts.Request(s.Idempotency, r.tx.CommitTime)
	return batch != nil && batch.ID != s.ID
}

// lostDraft is why an event is not told although it was good when it was sealed.
type lostDraft struct {
	reason publish.Reason
	publish.Problem
}

// lost looks for those whom a draft is for, at its place.
func (r *Router) lost(d *publish.Draft) *lostDraft {
	if d.Organization != orgcast.Everyone && !r.policy.Exists(d.Organization) {
		return &lostDraft{publish.ReasonOrganization, publish.Problem{Field: "organizationId", Problem: "is no existing organization"}}
	}
	if user := d.Audience.User; user != "" && !r.present(user, d.Organization) {
		return &lostDraft{ReasonNoMember, publish.Problem{Field: "payload.userId", Problem: "is no member of the organization"}}
	}
	return nil
}

// tell makes an event of a draft.
func (r *Router) tell(ordinal, sub uint64, d *publish.Draft, out *Output) {
	audience := d.Audience
	audience.Users = d.AffectedUsers
	start := r.beginFrom(out, ordinal, sub, d.Organization, d.Type, sse.SourceApp)
	out.frames = publish.AppendPayload(out.frames, d)
	r.end(out, start, audience, false)
}

// sealProblem says for a log what a reason means.
func sealProblem(reason publish.Reason) string {
	switch reason {
	case publish.ReasonNotTransactional:
		return "is a sealed message outside of a transaction: none of ours"
	case publish.ReasonSealVersion:
		return "was sealed by another version of orgcast"
	case publish.ReasonSealDelay:
		return "was committed too far from when it was sealed: an old copy, or a clock that is wrong"
	case publish.ReasonReplayed:
		return "is a copy of a sealed message that came before"
	case publish.ReasonRepeated:
		return "was done before, under the same Idempotency-Key"
	case publish.ReasonReceiptsFull:
		return "can't be remembered: too much was published"
	case publish.ReasonInvalid:
		return "is malformed behind a good seal"
	}
	return "has a seal that does not fit: forged, altered, or of another secret"
}
