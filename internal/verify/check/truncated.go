package check

import (
	"encoding/json"
	"strings"
)

// maxEvent is the bytes of an event's JSON above which it goes out with its keys
// only.
const maxEvent = 64 << 10

// truncates says whether a payload is what is left of a whole one that was too
// large: some of its members, and as they are there.
func truncates(payload, whole string) bool {
	// On the wire `<` is six bytes, and a control character may be.
	atMost := len(whole) + 5*strings.Count(whole, "<") + 4*strings.Count(whole, `\`) + 300
	if atMost < maxEvent {
		return false
	}
	var left, all map[string]json.RawMessage
	if json.Unmarshal([]byte(payload), &left) != nil || json.Unmarshal([]byte(whole), &all) != nil || len(left) == 0 {
		return false
	}
	for name, value := range left {
		if string(value) != string(all[name]) {
			return false
		}
	}
	return true
}
