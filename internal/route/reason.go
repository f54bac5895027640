package route

import "github.com/oikion/orgcast/internal/publish"

// Reason says why a row is withheld. Its text is a metric's label.
type Reason string

// The reasons.
const (
	// ReasonTenantNull is a row all of whose tenant paths are null.
	ReasonTenantNull Reason = "tenant_null"
	// ReasonTenantUnknown is a row whose parent is not known.
	ReasonTenantUnknown Reason = "tenant_unknown"
	// ReasonTenantsDisagree is a row whose paths lead to different
	// organizations.
	ReasonTenantsDisagree Reason = "tenants_disagree"
	// ReasonTenantTooLong is an organization id that can't be stored.
	ReasonTenantTooLong Reason = "tenant_too_long"
	// ReasonTenantReserved is an organization id that means all of them: "*".
	ReasonTenantReserved Reason = "tenant_reserved"
	// ReasonRoleTooLong is a membership whose role is no role's name.
	ReasonRoleTooLong Reason = "role_too_long"
	// ReasonParentMoved is a version of a row whose parent the transaction gives
	// to another organization: a new version before that, or an old one after it.
	// The parent's move tells both to refetch; the row's other version is told.
	ReasonParentMoved Reason = "parent_moved"
	// ReasonNoOldRow is an update or delete without the old values that its
	// tenant or key would be read from: the replica identity is not FULL.
	ReasonNoOldRow Reason = "no_old_row"
	// ReasonNoKey is a row whose primary key was not sent, is null, or is too
	// long to be one.
	ReasonNoKey Reason = "no_key"
	// ReasonNoTime is a session whose end is no time that can be read.
	ReasonNoTime Reason = "no_time"
	// ReasonColumnMissing is a row of a table that lacks a column that the
	// rules need.
	ReasonColumnMissing Reason = "column_missing"
	// ReasonValueNull is a row in which a value is null, or too long, without
	// which its event says nothing: an activity's user.
	ReasonValueNull Reason = "value_null"
	// ReasonNotMember is a notification of an assigned row for a user who is no
	// member of its organization; the row itself is told.
	ReasonNotMember Reason = "not_a_member"
)

// Reasons lists them all, so that a counter can stand at zero before the first.
func Reasons() []Reason {
	return []Reason{
		ReasonTenantNull, ReasonTenantUnknown, ReasonTenantsDisagree, ReasonTenantTooLong, ReasonTenantReserved, ReasonRoleTooLong,
		ReasonParentMoved, ReasonNoOldRow, ReasonNoKey, ReasonNoTime, ReasonColumnMissing, ReasonValueNull, ReasonNotMember,
	}
}

// Hooks tells the world what the router does. Each may be nil.
type Hooks struct {
	// Withheld is called for every row that is mapped but not sent.
	Withheld func(table string, reason Reason)
	// ColumnMissing is called when a mapped table comes without a column that
	// its rule names.
	ColumnMissing func(table, column string)
	// Refused is called for every message, or event of a sealed one, that was
	// published but not sent. The problems show nothing of what was sent.
	Refused func(reason publish.Reason, problems []publish.Problem)
}
