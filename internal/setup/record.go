package setup

import (
	"strings"

	"github.com/oikion/orgcast/internal/codec"
)

// recordVersion is the form of the record. A newer one is refused, not guessed.
const recordVersion = 1

// record is what was before setup, and what setup made. It is kept as the
// publication's comment: whoever can undo can read it, from any machine, and
// it goes with the publication in a dump.
//
// It is written before the first change and only grows: a second setup finds
// FULL everywhere, and must not take that for what was.
type record struct {
	Orgcast int `json:"orgcast"`
	// Made: the publication is ours. Otherwise Comment is what stood here.
	Made    bool          `json:"made"`
	Comment string        `json:"comment,omitempty"`
	Tables  []recordTable `json:"tables"`
	Role    *recordRole   `json:"role,omitempty"`
}

type recordTable struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
	// Was is pg_class.relreplident, Index the index of 'i'.
	Was   string `json:"was"`
	Index string `json:"index,omitempty"`
	// Added: it is in the publication because of us.
	Added bool `json:"added,omitempty"`
}

type recordRole struct {
	Name string `json:"name"`
	Made bool   `json:"made,omitempty"`
	// What the role got from us.
	Connect bool       `json:"connect,omitempty"`
	Usage   []string   `json:"usage,omitempty"`  // schemas
	Select  [][]string `json:"select,omitempty"` // [schema, table]
}

// parseRecord reads a publication's comment. ours is false for a comment of
// somebody else's.
func parseRecord(comment string) (rec record, ours bool) {
	if !strings.HasPrefix(comment, `{"orgcast":`) {
		return record{}, false
	}
	if err := codec.Loose([]byte(comment), &rec); err != nil || rec.Orgcast < 1 {
		return record{}, false
	}
	return rec, true
}

func (r record) String() string {
	text, err := codec.Marshal(r)
	if err != nil {
		panic("setup: record of strings does not marshal: " + err.Error())
	}
	return string(text)
}

// table finds a table's entry, nil when there is none.
func (r *record) table(schema, name string) *recordTable {
	for i := range r.Tables {
		if r.Tables[i].Schema == schema && r.Tables[i].Table == name {
			return &r.Tables[i]
		}
	}
	return nil
}
