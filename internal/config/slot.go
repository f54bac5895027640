package config

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
)

// maxSlot is PostgreSQL's longest slot name, in bytes.
const maxSlot = 63

// defaultSlot is orgcast_ and the database's name, in the letters that a slot
// may have. A name that had to be changed gets a hash, so that two databases
// never share one.
func defaultSlot(database string) string {
	const prefix = "orgcast_"
	safe := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, database)
	if safe == database && len(prefix)+len(safe) <= maxSlot {
		return prefix + safe
	}
	h := fnv.New32a()
	h.Write([]byte(database))
	suffix := fmt.Sprintf("_%08x", h.Sum32())
	return prefix + safe[:min(len(safe), maxSlot-len(prefix)-len(suffix))] + suffix
}

func checkSlot(name string) error {
	if name == "" || len(name) > maxSlot {
		return fmt.Errorf("a slot's name has 1 to %d characters", maxSlot)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' }) {
		return errors.New("a slot's name has only a–z, 0–9 and _")
	}
	return nil
}
