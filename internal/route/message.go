package route

import (
	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
	"github.com/oikion/orgcast/internal/publish"
)

// ActorPrefix is the prefix of the logical message that names the actor of the
// changes after it in its transaction.
const ActorPrefix = "orgcast.actor"

// maxActor bounds an actor message, in bytes.
const maxActor = 4 << 10

// ReasonNoMember is a published notification for a user who is no member of its
// organization at that place. Only the router can know.
const ReasonNoMember publish.Reason = "no_such_member"

// message takes a logical message. Any database role can emit one.
func (r *Router) message(c *orgcast.Change, out *Output) {
	switch c.Prefix {
	case ActorPrefix:
		r.setActor(c)
	case publish.Prefix:
		r.published(c, out)
	case publish.PrefixSealed:
		r.sealed(c, out)
	}
}

// setActor reads who acts. He is only believed where he is a member: see
// appendActor.
func (r *Router) setActor(c *orgcast.Change) {
	if !c.Transactional {
		r.refuse(publish.ReasonNotTransactional, []publish.Problem{{Index: publish.Whole, Problem: "names the actor of no transaction"}})
		return
	}
	var actor struct {
		UserID orgcast.UserID `json:"userId"`
	}
	r.actor = "" // the last one wins, a malformed one names nobody
	if len(c.Content) > maxActor || codec.Unmarshal(c.Content, &actor) != nil || actor.UserID == "" {
		r.refuse(publish.ReasonInvalid, []publish.Problem{{Index: publish.Whole, Problem: `names no actor: it must be {"userId":"…"}`}})
		return
	}
	r.actor = actor.UserID
}

// published tells an event that an application said by SQL. Nothing of the
// message is passed on as it came.
func (r *Router) published(c *orgcast.Change, out *Output) {
	d, refusal := r.policy.Read(c.Content, c.Transactional)
	if refusal != nil {
		r.refuse(refusal.Reason, refusal.Problems)
		return
	}
	if user := d.Audience.User; user != "" && !r.present(user, d.Organization) {
		r.refuse(ReasonNoMember, []publish.Problem{{Field: "payload.userId", Problem: "is no member of the organization"}})
		return
	}
	r.tell(c.Ordinal, 0, d, out)
}

func (r *Router) refuse(reason publish.Reason, problems []publish.Problem) {
	if r.hooks.Refused != nil {
		r.hooks.Refused(reason, problems)
	}
}
