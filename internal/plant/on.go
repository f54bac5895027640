//go:build plant

package plant

import (
	"fmt"
	"os"
)

// Variable names the fault; empty is none.
const Variable = "ORGCAST_PLANT"

// The switches. They are set before anything runs, and never again but by a test.
var (
	ConfirmBeforeSync     = planted("confirm-before-sync")
	NoDuplicateGate       = planted("no-duplicate-gate")
	ReplayOffByOne        = planted("replay-off-by-one")
	ReplayUnfiltered      = planted("replay-unfiltered")
	MembershipLate        = planted("membership-late")
	ToastNull             = planted("toast-null")
	TransactionSplit      = planted("transaction-split")
	MoveWrongOrganization = planted("move-wrong-organization")
	ParentLate            = planted("parent-late")
	CursorByRule          = planted("cursor-by-rule")
	ReadyEarly            = planted("ready-early")
	StaleUntold           = planted("stale-untold")
	AudienceIgnored       = planted("audience-ignored")
)

// known is set by the switch that is meant.
var known = os.Getenv(Variable) == ""

func planted(name string) bool {
	is := os.Getenv(Variable) == name
	known = known || is
	return is
}

// A fault that is not there would be one that no checker finds.
func init() {
	if !known {
		fmt.Fprintf(os.Stderr, "orgcast: %s names no fault: internal/plant/doc.go lists them\n", Variable)
		os.Exit(2)
	}
	if name := os.Getenv(Variable); name != "" {
		fmt.Fprintf(os.Stderr, "orgcast: misbehaves on purpose: %s\n", name)
	}
}
