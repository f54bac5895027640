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
	left, ok := parse(payload)
	all, alsoOK := parse(whole)
	return ok && alsoOK && partOf(left, all) && payload != "{}"
}

// parse leaves numbers as they are written: jsonb has some that no float holds.
func parse(text string) (v any, ok bool) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	err := d.Decode(&v)
	return v, err == nil
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
