//go:build !plant

package plant

// The switches, of which none can be thrown.
const (
	ConfirmBeforeSync     = false
	NoDuplicateGate       = false
	ReplayOffByOne        = false
	ReplayUnfiltered      = false
	MembershipLate        = false
	ToastNull             = false
	TransactionSplit      = false
	MoveWrongOrganization = false
	ParentLate            = false
	CursorByRule          = false
	ReadyEarly            = false
	StaleUntold           = false
	AudienceIgnored       = false
)
