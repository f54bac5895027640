package route

import (
	"bytes"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/sse"
)

// notifySub is the sub-index of the notification that a row was assigned: behind
// all that the row itself, and its children's reset, may have.
const notifySub = orgcast.SubIndexes - 2

// notify tells a user that a row was newly assigned to him; him alone, and only
// if he is a member.
func (r *Router) notify(b *binding, c *orgcast.Change, out *Output, organization orgcast.OrganizationID) {
	user := &c.New[b.user]
	if !isKey(user) || len(user.Text) == 0 || !newly(user, b.user, c) {
		return
	}
	assignee := orgcast.UserID(user.Text)
	if !r.present(assignee, organization) {
		r.withhold(b.table, ReasonNotMember)
		return
	}
	audience := orgcast.Audience{User: assignee, Roles: b.audience.Roles}
	r.fit(out, func(full bool) {
		start := r.begin(out, c.Ordinal, notifySub, organization, orgcast.NotificationNew)
		f := append(out.frames, `{"userId":`...)
		f = sse.AppendText(f, user.Text)
		f = append(f, `,"title":`...)
		if full {
			f = sse.AppendText(f, c.New[b.title].Text) // "" for a null
		} else {
			f = append(f, `""`...)
		}
		f = append(f, `,"message":"","priority":"medium","category":`...)
		f = sse.AppendString(f, b.table.notify.Category)
		out.frames = append(f, '}')
		r.end(out, start, audience, !full)
	})
}

// newly tells whether a change assigns the row to somebody else than before.
func newly(user *orgcast.Value, position int, c *orgcast.Change) bool {
	if c.Operation == orgcast.Insert {
		return true
	}
	old := &c.Old[position]
	return !c.OldIsKey && sent(old) && !(old.Kind == orgcast.Text && bytes.Equal(old.Text, user.Text))
}
