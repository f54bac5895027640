package feed

import "github.com/oikion/orgcast"

// RemadeError is a table that the WAL tells of by another name, or a name of
// another table, than the catalog has: it was renamed, or made anew, and perhaps
// not all that happened to its rows was told.
type RemadeError struct {
	Known string // what the catalog calls it; empty: it is another one
	Told  string // what the WAL calls it
}

func (e *RemadeError) Error() string {
	if e.Known == "" {
		return "read the WAL: " + e.Told + " was made anew"
	}
	return "read the WAL: " + e.Known + " was " + e.Told + " for a while"
}

// OnTables says what the tables that are sent, or are others' parents, are called,
// by OID. A transaction that tells of one otherwise is a [*RemadeError].
func (f *Feed) OnTables(names map[uint32]string) {
	f.names, f.oids = names, make(map[string]uint32, len(names))
	for oid, name := range names {
		f.oids[name] = oid
	}
}

// remade holds a relation against the catalog.
func (f *Feed) remade(rel *orgcast.Relation) error {
	told := rel.Schema + "." + rel.Name
	known := f.names[rel.OID]
	if known != "" && known != told || known == "" && f.oids[told] != 0 {
		return &RemadeError{Known: known, Told: told}
	}
	return nil
}
