package check

import (
	"encoding/json"
	"reflect"
	"strings"
)

// maxEvent is the bytes of an event's JSON above which it goes out with its keys
// only.
const maxEvent = 64 << 10

// truncates says whether a payload is what is left of a whole one that was too
// large: some of its members, and as they are there.
func truncates(payload, whole string) bool {
	// On the wire `<` is six bytes, and a control character may be.
	atMost := len(whole) + 5*strings.Count(whole, "<") + 4*strings.Count(whole, `\`) + 600
	if atMost < maxEvent {
		return false
	}
	var left, all any
	return json.Unmarshal([]byte(payload), &left) == nil && json.Unmarshal([]byte(whole), &all) == nil && partOf(left, all) && payload != "{}"
}

// partOf says whether a value is another one without some members of its objects.
func partOf(left, all any) bool {
	l, ok := left.(map[string]any)
	a, whole := all.(map[string]any)
	if !ok || !whole {
		return reflect.DeepEqual(left, all)
	}
	for name, value := range l {
		v, there := a[name]
		if !there || !partOf(value, v) {
			return false
		}
	}
	return true
}
