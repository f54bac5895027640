package setup

import (
	"fmt"
	"slices"
)

// undoIdentity gives a table back the identity that it had, unless somebody
// gave it another one since.
func undoIdentity(p *plan, f *facts, t recordTable) {
	name := t.Schema + "." + t.Table
	r := f.byName[name]
	switch {
	case r == nil:
		if t.Was != "f" {
			p.warn(Problem{Code: TableMissing, Table: name, Text: name + " is gone: its replica identity can't be given back"})
		}
		return
	case t.Was != "f" && r.identity != "f" && r.identity != t.Was:
		p.warn(Problem{Code: IdentityChanged, Table: name,
			Text: fmt.Sprintf("%s was given replica identity %s since setup: it is left so", name, r.identityWord())})
		return
	}
	sql, word := "", ""
	switch t.Was {
	case "f":
		sql, word = "FULL", "full"
	case "n":
		sql, word = "NOTHING", "nothing"
	case "i":
		sql, word = "USING INDEX "+quoteIdent(t.Index), "index "+t.Index
		if t.Index == "" {
			// Its index was dropped before setup: there is no way back
			// to that but the same effect.
			sql, word = "NOTHING", "nothing"
		} else if !slices.Contains(r.indexes, t.Index) {
			sql, word = "DEFAULT", "default"
			p.warn(Problem{Code: IdentityChanged, Table: name,
				Text: fmt.Sprintf("index %s of %s is gone: the replica identity becomes default", t.Index, name),
				Hint: "check that the table has a primary key, if another publication holds it"})
		}
	default:
		sql, word = "DEFAULT", "default"
	}
	p.add(step{
		name:  "give " + name + " back replica identity " + word,
		sql:   []string{"ALTER TABLE ONLY " + r.ident() + " REPLICA IDENTITY " + sql},
		done:  r.identity == t.Was,
		table: r,
		hint:  "run this as the table's owner, " + r.owner,
	})
}
