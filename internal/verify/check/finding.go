package check

import "fmt"

// Offence is what is counted against the server.
type Offence string

const (
	Lost        Offence = "lost"         // not told, although a later id was given
	Repeated    Offence = "repeated"     // told twice on one connection
	Disordered  Offence = "disordered"   // not after what came before it
	Split       Offence = "split"        // a transaction's events are not contiguous
	Foreign     Offence = "foreign"      // another organization's
	Audience    Offence = "audience"     // for other users or roles of the organization
	Revoked     Offence = "revoked"      // committed after the member's removal, or the stream left open
	Before      Offence = "before"       // committed before his present membership
	Unfiltered  Offence = "unfiltered"   // what he did not ask for
	Unknown     Offence = "unknown"      // nobody committed that
	Wrong       Offence = "wrong"        // another value, time, type or source
	FalseReady  Offence = "false ready"  // ready, although it was not
	FalseLive   Offence = "false live"   // live, although more than ten seconds behind
	FalseReset  Offence = "false reset"  // a reset without a reason
	FalseEpoch  Offence = "false epoch"  // a new epoch without a reason
	FalseAnswer Offence = "false answer" // 403, or another refusal, without a reason
	FalseEnd    Offence = "false end"    // a closing without a reason
	Malformed   Offence = "malformed"    // what no stream may say
	Stuck       Offence = "stuck"        // all is healed, and it did not come to the end
)

// Offences are all of them, in the order of a report.
var Offences = []Offence{
	Lost, Repeated, Disordered, Split, Foreign, Audience, Revoked, Before, Unfiltered, Unknown, Wrong,
	FalseReady, FalseLive, FalseReset, FalseEpoch, FalseAnswer, FalseEnd, Malformed, Stuck,
}

// Finding is one offence against one client.
type Finding struct {
	Offence Offence
	Client  string
	At      int64 // ns since the run's beginning
	Entry   int   // of the record
	Text    string
}

func (f Finding) String() string {
	return fmt.Sprintf("%8.3fs %-12s %s, entry %d: %s", float64(f.At)/1e9, f.Offence, f.Client, f.Entry, f.Text)
}

// Counts are what was checked of one client.
type Counts struct {
	Connections, Refused int
	Deliveries           int // events, at the wire
	Facts                int // that he was to hear, and did
	Ready, Beats         int
	Stale                int
	Resets               map[string]int
	Closings             map[string]int
}

func (c *Counts) Add(o Counts) {
	c.Connections += o.Connections
	c.Refused += o.Refused
	c.Deliveries += o.Deliveries
	c.Facts += o.Facts
	c.Ready += o.Ready
	c.Beats += o.Beats
	c.Stale += o.Stale
	c.Resets, c.Closings = sum(c.Resets, o.Resets), sum(c.Closings, o.Closings)
}

func sum(a, b map[string]int) map[string]int {
	if a == nil {
		a = map[string]int{}
	}
	for k, n := range b {
		a[k] += n
	}
	return a
}
