package load

import (
	"context"
	"fmt"
	"strings"
)

func (w *writer) say(ctx context.Context, transactional bool, prefix, content string) error {
	_, err := w.exec(ctx, `SELECT pg_logical_emit_message($1::text::bool, $2::text, $3::text)`, fmt.Sprint(transactional), prefix, content)
	return err
}

// sayActor names who makes the changes that follow: a user, mostly, who may be no
// member of what is changed.
func sayActor(ctx context.Context, w *writer) error {
	user := w.user()
	if w.r.IntN(10) == 0 {
		user = "user_nobody"
	}
	return w.say(ctx, true, "orgcast.actor", `{"userId":`+quoted(user)+`}`)
}

// metadata is a member of a payload, or none.
func (w *writer) metadata() string {
	if w.r.IntN(2) == 0 {
		return ""
	}
	return `,"metadata":{"text":` + quoted(w.text()) + `,"n":` + fmt.Sprint(w.r.IntN(100)) + `,"deep":{"list":[1,null,true,` + quoted(w.text()) + `]}}`
}

func event(typ, organization, payload string) string {
	return `{"type":` + quoted(typ) + `,"organizationId":` + quoted(organization) + `,"payload":` + payload + `}`
}

// notification is the payload of one; its title is never empty.
func (w *writer) notification(user string) string {
	return fmt.Sprintf(`{"userId":%s,"title":%s,"message":%s,"priority":%q,"category":%q%s}`, quoted(user), quoted("title "+w.text()), quoted(w.text()),
		pick(w, "low", "medium", "high", "urgent"), pick(w, "calendar", "task", "note"), w.metadata())
}

func sayNotification(ctx context.Context, w *writer) error {
	m := w.member()
	if w.r.IntN(6) == 0 { // perhaps he is no member there
		m.Organization = w.organization()
	}
	return w.say(ctx, true, "orgcast", event("notification.new", m.Organization, w.notification(m.User)))
}

func sayAlert(ctx context.Context, w *writer) error {
	m := w.member()
	affected := ""
	switch w.r.IntN(4) {
	case 0:
		affected = `,"affectedUsers":[` + quoted(m.User) + `]`
	case 1:
		affected = `,"affectedUsers":[` + quoted(w.user()) + `,` + quoted(m.User) + `,` + quoted("user_nobody") + `]`
	}
	return w.say(ctx, true, "orgcast", event("system.alert", m.Organization, fmt.Sprintf(`{"alertType":%q,"message":%s%s%s}`,
		pick(w, "error", "warning", "info", "success"), quoted("alert "+w.text()), affected, w.metadata())))
}

// sayRefused says what nobody may hear.
func sayRefused(ctx context.Context, w *writer) error {
	m := w.member()
	good := event("notification.new", m.Organization, w.notification(m.User))
	switch w.r.IntN(13) {
	case 0:
		return w.say(ctx, false, "orgcast", good)
	case 1:
		return w.say(ctx, true, "someone.else", good)
	case 2:
		return w.say(ctx, true, "orgcast", event("notification.new", "org_nowhere", w.notification(m.User)))
	case 3:
		return w.say(ctx, true, "orgcast", event("notification.new", m.Organization, w.notification("user_nobody")))
	case 4:
		return w.say(ctx, true, "orgcast", event("property.update", m.Organization, `{"propertyId":"x","operation":"delete"}`))
	case 5:
		return w.say(ctx, true, "orgcast", event("no.such.type", m.Organization, `{}`))
	case 6:
		return w.say(ctx, true, "orgcast", strings.ToValidUTF8(good[:w.r.IntN(len(good))], ""))
	case 7:
		return w.say(ctx, true, "orgcast", good+` `+good)
	case 8:
		return w.say(ctx, true, "orgcast", event("system.alert", "*", `{"alertType":"info","message":"to all"}`))
	case 9:
		return w.say(ctx, true, "orgcast", event("system.alert", m.Organization, `{"alertType":"loud","message":"x"}`))
	case 10:
		return w.say(ctx, true, "orgcast", event("system.alert", m.Organization, `{"alertType":"info","message":"`+strings.Repeat("x", 70_000)+`"}`))
	case 11:
		return w.say(ctx, true, "orgcast", event("notification.new", m.Organization,
			`{"userId":`+quoted(m.User)+`,"title":"`+strings.Repeat("x", 501)+`","message":"","priority":"low","category":"x"}`))
	}
	return w.say(ctx, true, "orgcast", `[`+good+`]`)
}
