package setup

import (
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Table is a table that the rules map or read.
type Table struct {
	Schema, Name string
	// Columns are those that the rules use. One that is missing is a problem.
	Columns []string
	// Published tables are in the publication, with replica identity FULL.
	Published bool
	// Read tables are read with SQL at the snapshot, by the role: parents,
	// membership, organizations.
	Read bool
	// TenantOnly is the rule's word that the organization is all that the
	// table's row-level security asks about. Without it such a table is
	// refused: the WAL knows no policies.
	TenantOnly bool
	// Membership marks the table that says who belongs to an organization.
	Membership bool
}

// String is the table's name for people and the key in [State.OIDs]:
// "public.listings".
func (t Table) String() string { return t.Schema + "." + t.Name }

func (t Table) ident() string { return pgx.Identifier{t.Schema, t.Name}.Sanitize() }

// Config is what the database is to have.
type Config struct {
	Publication, Slot string
	Tables            []Table
	// Role is the role that serve connects as. "": none is made, and serve
	// runs as whoever it runs as.
	Role string
	// RolePassword is its password. "": none is set.
	RolePassword string
	// Host is the database's host name, which tells some providers apart.
	Host string
	// LockTimeout bounds one attempt to lock a table, behind which the
	// application's own queries queue. Default: 2 s.
	LockTimeout time.Duration
	// LockWait bounds all attempts at one table. Default: 30 s.
	LockWait time.Duration
}

const (
	defaultLockTimeout = 2 * time.Second
	defaultLockWait    = 30 * time.Second
)

// withDefaults also merges what is said of one table in several entries.
func (c Config) withDefaults() Config {
	var tables []Table
	at := map[string]int{}
	for _, t := range c.Tables {
		i, ok := at[t.ident()]
		if !ok {
			at[t.ident()] = len(tables)
			tables = append(tables, t)
			continue
		}
		have := &tables[i]
		have.Columns = slices.Concat(have.Columns, t.Columns)
		have.Published = have.Published || t.Published
		have.Read = have.Read || t.Read
		have.TenantOnly = have.TenantOnly || t.TenantOnly
		have.Membership = have.Membership || t.Membership
	}
	c.Tables = tables
	if c.LockTimeout <= 0 {
		c.LockTimeout = defaultLockTimeout
	}
	if c.LockWait <= 0 {
		c.LockWait = defaultLockWait
	}
	return c
}

// Step is one thing that setup saw to.
type Step struct {
	// Name says what: "set replica identity of public.listings to full".
	Name string
	// Already is true when it was so before, and nothing was executed.
	Already bool
}

// Report is what [Apply] or [Undo] did. It is returned beside an error too:
// what is in it was done, and stays done.
type Report struct {
	Steps    []Step
	Warnings []Problem
}

// Changed tells whether anything was executed.
func (r *Report) Changed() bool {
	for _, s := range r.Steps {
		if !s.Already {
			return true
		}
	}
	return false
}
