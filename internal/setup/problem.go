package setup

import "slices"

// Code names a kind of [Problem]. doc.go lists what each means.
type Code string

// The codes, from the server down to the role.
const (
	ServerTooOld         Code = "server_too_old"
	ServerIsStandby      Code = "server_is_standby"
	WALLevel             Code = "wal_level"
	SlotsExhausted       Code = "slots_exhausted"
	SlotForeign          Code = "slot_foreign"
	SlotOlder            Code = "slot_older_than_publication"
	PublicationMissing   Code = "publication_missing"
	PublicationAllTables Code = "publication_all_tables"
	PublicationOptions   Code = "publication_options"
	TableMissing         Code = "table_missing"
	TableKind            Code = "table_kind"
	ColumnMissing        Code = "column_missing"
	ColumnGenerated      Code = "column_generated"
	TableNotPublished    Code = "table_not_published"
	TableUnmapped        Code = "table_unmapped"
	IdentityNotFull      Code = "identity_not_full"
	IdentityMissing      Code = "identity_missing"
	IdentityChanged      Code = "identity_changed"
	ColumnList           Code = "column_list"
	RowFilter            Code = "row_filter"
	RowSecurity          Code = "row_security"
	ReadDenied           Code = "read_denied"
	ReadRowSecurity      Code = "read_row_security"
	RoleSuperuser        Code = "role_superuser"
	RoleOwner            Code = "role_owner"
	RoleBypassRLS        Code = "role_bypass_rls"
	RoleNoReplication    Code = "role_no_replication"
	RoleShared           Code = "role_shared"
	RoleKept             Code = "role_kept"
)

// Problem is one thing about the database that is not as orgcast needs it.
type Problem struct {
	Code  Code
	Table string // "public.listings", or ""
	// Column is the one that it is about, or "".
	Column string
	Text   string // what is so
	Hint   string // the operator's next step
	// Fatal: serve must not stream. Otherwise it is a warning.
	Fatal bool
}

// State is what [Check] saw.
type State struct {
	Problems []Problem
	// OIDs holds the wanted tables that exist, by [Table.String]. A new OID
	// under an old name is a table that a migration made anew.
	OIDs     map[string]uint32
	Version  int    // server_version_num: 150004
	Database string // current_database()
	Role     string // current_user
	Provider Provider
}

// Fatal are the problems with which serve must not stream.
func (s *State) Fatal() []Problem {
	return slices.DeleteFunc(slices.Clone(s.Problems), func(p Problem) bool { return !p.Fatal })
}
