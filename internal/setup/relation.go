package setup

import "github.com/jackc/pgx/v5"

// relation is a table as the catalog has it.
type relation struct {
	oid             uint32
	root            uint32 // the wanted table that it is, or is a partition of
	schema, name    string
	kind            string // pg_class.relkind
	persistence     string // pg_class.relpersistence
	identity        string // pg_class.relreplident: d, n, f, i
	index           string // the replica identity index; "" when it was dropped
	primary         bool   // has a primary key that can be an identity
	rowSecurity     bool
	rowSecurityHere bool // for the current role
	owner           string
	owned           bool // the current role may act as the owner
	selectHere      bool // the current role may select
	columns         []string
	generated       []string
	indexes         []string // that could be a replica identity
	columnLists     []string // publications that have a column list on it
}

func (r *relation) String() string { return r.schema + "." + r.name }

func (r *relation) ident() string { return pgx.Identifier{r.schema, r.name}.Sanitize() }

// writable tells whether the application may UPDATE and DELETE while the table
// is published. relreplident alone does not say: it stays 'i' when the index
// is dropped, and 'd' without a primary key is nothing.
func (r *relation) writable() bool {
	switch r.identity {
	case "f":
		return true
	case "d":
		return r.primary
	case "i":
		return r.index != ""
	}
	return false
}

// identityWord is the identity for people.
func (r *relation) identityWord() string {
	switch r.identity {
	case "f":
		return "full"
	case "d":
		if r.primary {
			return "default (the primary key)"
		}
		return "default, and there is no primary key"
	case "i":
		if r.index != "" {
			return "index " + r.index
		}
		return "an index that was dropped"
	}
	return "nothing"
}

// publishable says why a relation can't be in a publication, or "".
func (r *relation) unpublishable() string {
	switch {
	case r.kind == "v" || r.kind == "m":
		return "is a view"
	case r.kind == "f":
		return "is a foreign table"
	case r.kind != "r" && r.kind != "p":
		return "is no table"
	case r.persistence == "u":
		return "is UNLOGGED, so its changes are not in the WAL"
	case r.persistence == "t":
		return "is a temporary table"
	}
	return ""
}
