package replication

import "strings"

// CountsAsStandby tells whether a synchronous_standby_names takes a connection of
// the default application name for a synchronous standby: by name, or as any (*).
// Commits then wait for what the reader of the slot confirms.
func CountsAsStandby(names string) bool {
	for name := range strings.FieldsFuncSeq(names, func(r rune) bool { return strings.ContainsRune(",() \t", r) }) {
		if name = strings.Trim(name, `"`); name == "*" || strings.EqualFold(name, DefaultApplicationName) {
			return true
		}
	}
	return false
}
