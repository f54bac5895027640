package truth

import (
	"errors"
	"fmt"
	"slices"
)

// message is a logical message of the transaction.
func (m *Model) message(prefix, content string) {
	switch prefix {
	case "orgcast.actor":
		m.tx.actor = actorOf(content)
	case "orgcast":
		m.published(content)
	}
}

// actorOf is whom a message names, or "".
func actorOf(content string) string {
	members, err := membersOf(content)
	if err != nil {
		return ""
	}
	user, err := unquote(members["userId"])
	if err != nil {
		return ""
	}
	return user
}

// published is an event that an application says by SQL. What is refused is none.
func (m *Model) published(content string) {
	if len(content) > 64<<10 {
		return
	}
	envelope, err := membersOf(content)
	if err != nil || !only(envelope, "type", "organizationId", "payload") {
		return
	}
	typ, err1 := unquote(envelope["type"])
	organization, err2 := unquote(envelope["organizationId"])
	payload, err3 := membersOf(envelope["payload"])
	if errors.Join(err1, err2, err3) != nil || organization == everyone {
		return
	}
	if _, there := m.organizations[organization]; !there {
		return
	}
	switch typ {
	case "notification.new":
		user, err := notification(payload)
		if err != nil || m.belongs[belonging{user, organization}] == 0 {
			return
		}
		m.say(organization, typ, fromApp, envelope["payload"]).Users = []string{user}
	case "system.alert":
		users, err := alert(payload)
		if err != nil {
			return
		}
		f := m.say(organization, typ, fromApp, envelope["payload"])
		f.Users = users
		if payload["message"] == `""` {
			f.May, f.Why = true, "whether an alert must say something, the documents leave open"
		}
	}
}

// notification looks through a notification's payload.
func notification(p map[string]string) (user string, err error) {
	if !only(p, "userId", "title", "message", "priority", "category", "metadata") {
		return "", errors.New("an unknown member")
	}
	for _, c := range []struct {
		name     string
		max      int
		nonempty bool
	}{{"userId", 255, true}, {"title", 500, true}, {"message", 10_000, false}, {"category", 255, true}} {
		s, err := unquote(p[c.name])
		if err != nil || len(s) > c.max || c.nonempty && s == "" {
			return "", fmt.Errorf("bad %s", c.name)
		}
	}
	if !oneOf(p["priority"], "low", "medium", "high", "urgent") {
		return "", errors.New("bad priority")
	}
	if err := metadata(p); err != nil {
		return "", err
	}
	return unquote(p["userId"])
}

// alert looks through an alert's payload. users are the only ones who get it, if
// not nil.
func alert(p map[string]string) (users []string, err error) {
	if !only(p, "alertType", "message", "affectedUsers", "metadata") {
		return nil, errors.New("an unknown member")
	}
	if s, err := unquote(p["message"]); err != nil || len(s) > 10_000 {
		return nil, errors.New("bad message")
	}
	if !oneOf(p["alertType"], "error", "warning", "info", "success") {
		return nil, errors.New("bad alertType")
	}
	if err := metadata(p); err != nil {
		return nil, err
	}
	all, there := p["affectedUsers"]
	if !there {
		return nil, nil
	}
	if users, err = texts(all); err != nil || len(users) == 0 || len(users) > 1000 {
		return nil, errors.New("bad affectedUsers")
	}
	return users, nil
}

func metadata(p map[string]string) error {
	if v, there := p["metadata"]; there && (v[0] != '{' || len(v) > 32<<10) {
		return errors.New("bad metadata")
	}
	return nil
}

func oneOf(value string, all ...string) bool {
	s, err := unquote(value)
	return err == nil && slices.Contains(all, s)
}

// only says whether an object has no other members.
func only(members map[string]string, names ...string) bool {
	for n := range members {
		if !slices.Contains(names, n) {
			return false
		}
	}
	return true
}
