package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Event is an event as it was heard.
type Event struct {
	ID           string
	Type         string
	Organization string
	Source       string
	Version      string
	Millis       int64
	Payload      string // canonical JSON
	Truncated    bool
}

// ParseEvent reads the data line of an event.
func ParseEvent(data string) (Event, error) {
	var e struct {
		ID             string          `json:"id"`
		Type           string          `json:"type"`
		OrganizationID string          `json:"organizationId"`
		Source         string          `json:"source"`
		Version        string          `json:"version"`
		Timestamp      int64           `json:"timestamp"`
		Truncated      bool            `json:"truncated"`
		Payload        json.RawMessage `json:"payload"`
	}
	d := json.NewDecoder(strings.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return Event{}, fmt.Errorf("event %.200q: %w", data, err)
	}
	payload, err := Canonical(string(e.Payload))
	if err != nil {
		return Event{}, fmt.Errorf("event %.200q: %w", data, err)
	}
	return Event{e.ID, e.Type, e.OrganizationID, e.Source, e.Version, e.Timestamp, payload, e.Truncated}, nil
}

// Canonical is a JSON text with its members sorted, without spaces, and with
// nothing escaped but what must be. Numbers stay as they are written.
func Canonical(text string) (string, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "", err
	}
	if _, err := d.Token(); err != io.EOF {
		return "", fmt.Errorf("text behind the JSON value")
	}
	return encode(v)
}

// Quote is a text as a canonical JSON string.
func Quote(s string) string {
	text, err := encode(s)
	if err != nil {
		panic(err) // a string can be written
	}
	return text
}

func encode(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}
