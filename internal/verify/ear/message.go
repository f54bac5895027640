package ear

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/oikion/orgcast/internal/verify"
)

// message is what a line says, as far as a client needs it.
type message struct {
	ID             string `json:"id"`
	Type           string `json:"type"`
	OrganizationID string `json:"organizationId"`
	Status         string `json:"status"`
	UserID         string `json:"userId"`
	ConnectionID   string `json:"connectionId"`
	Scope          string `json:"scope"`
	Cursor         string `json:"cursor"`
	Reason         string `json:"reason"`
	State          string `json:"state"`
	Replayed       *int   `json:"replayed"`
	Reconnect      *bool  `json:"reconnect"`
	RetryMS        *int64 `json:"retryMs"`
	Organizations  []struct {
		ID string `json:"id"`
	} `json:"organizations"`

	place verify.Cursor // of an event's ID
}

// events are the types of what is no control message.
var events = map[string]bool{
	"user.activity": true, "property.update": true, "member.join": true, "member.leave": true, "organization.change": true,
	"notification.new": true, "system.alert": true, "data.sync": true,
}

// parseMessage reads a line's data.
func parseMessage(data []byte) (m message, err error) {
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("data is no message: %w: %.200q", err, data)
	}
	if events[m.Type] {
		if m.ID == "" {
			return m, fmt.Errorf("an event without an id: %.200q", data)
		}
		m.place, err = verify.ParseCursor(m.ID)
		return m, err
	}
	if m.ID != "" {
		return m, fmt.Errorf("an event of no known type: %.200q", data)
	}
	return m, m.control()
}

// control says what a control message lacks.
func (m *message) control() error {
	switch m.Type {
	case "connection":
		if m.Status != "connected" || m.ConnectionID == "" || m.Scope == "" || m.Cursor == "" || len(m.Organizations) == 0 {
			return errors.New("a connection lacks status, connectionId, scope, cursor or organizations")
		}
	case "ready":
		if m.Cursor == "" || m.Replayed == nil {
			return errors.New("a ready lacks cursor or replayed")
		}
	case "status":
		if m.State != "stale" && m.State != "live" {
			return fmt.Errorf("a status of state %.80q", m.State)
		}
	case "reset":
		if m.Cursor == "" || !resets[m.Reason] {
			return fmt.Errorf("a reset without cursor, or of the unknown reason %.80q", m.Reason)
		}
	case "closing":
		if back, known := closings[m.Reason]; !known || m.Reconnect == nil || *m.Reconnect != back || m.RetryMS == nil {
			return fmt.Errorf("a closing of the unknown reason %.80q, or without its reconnect and retryMs", m.Reason)
		}
	default:
		return fmt.Errorf("a message of the unknown type %.80q", m.Type)
	}
	return nil
}

var resets = map[string]bool{"too_old": true, "too_many": true, "epoch": true, "ahead": true, "malformed": true, "moved": true}

// closings are the reasons, and whether to come back.
var closings = map[string]bool{
	"session_expired": false, "membership_revoked": false, "lease": true, "slow_consumer": true, "shutdown": true,
	"closed_by_client": false, "closed_by_operator": false,
}
