package route

import (
	"reflect"
	"slices"

	"github.com/oikion/orgcast/internal/codec"
)

// State changes with what the log's state is made of: the tables that are read at a
// snapshot, and how their rows lead to an organization. With it a log has to be begun
// anew; other rules go on with the same.
func (r *Rules) State() string {
	type read struct {
		Table   string
		Columns []string
		Paths   []Path
	}
	var all []read
	for _, t := range r.All() {
		if t.Read {
			all = append(all, read{t.String(), r.snapshotColumns(t), r.table(t.String()).Tenant})
		}
	}
	return marshalled(all)
}

// Text is all the rules, for [Rules.Narrows]. Files that say the same have the same.
func (r *Rules) Text() string { return marshalled(r) }

// Narrows says whether the rules show nothing that others, given by their Text, did
// not show: tables, columns or roles were taken away, and that is all. What can't be
// read has shown nothing, as far as is known.
func (r *Rules) Narrows(former string) bool {
	var f Rules
	if codec.Loose([]byte(former), &f) != nil || f.Text() != former {
		return false
	}
	for name, t := range r.Tables {
		o, ok := f.Tables[name]
		if !ok || !within(t.Columns, o.Columns) || len(o.Roles) > 0 && (len(t.Roles) == 0 || !within(t.Roles, o.Roles)) {
			return false
		}
		o.Columns, o.Roles = t.Columns, t.Roles
		if !reflect.DeepEqual(o, t) {
			return false
		}
	}
	f.Tables = r.Tables
	return f.Text() == r.Text()
}

func within[T comparable](part, whole []T) bool {
	return !slices.ContainsFunc(part, func(v T) bool { return !slices.Contains(whole, v) })
}

func marshalled(v any) string {
	b, err := codec.Marshal(v)
	if err != nil {
		panic(err) // texts, numbers and lists
	}
	return string(b)
}
