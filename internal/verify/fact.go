package verify

// Fact is one event that is to be heard, by whom, and as what.
type Fact struct {
	// Ordinal of the change, and the fact's rank among those of the change and
	// organization: which of the eight indexes it has is the server's affair, but
	// their order is not.
	LSN     uint64
	Ordinal uint64

	Organization string // "*" for an event of all organizations
	Type         string // property.update …, or "reset" for a `reset moved`
	Channel      string // "" for a reset: it passes every filter
	Source       string // postgres or app
	Millis       int64  // of the commit, ms since 1970
	Payload      string // canonical JSON: members sorted, no spaces; "" of a reset
	// Users are the only ones who may hear it, if not nil.
	Users []string
	// Roles are the only ones that may hear it, if not nil.
	Roles []string
	// May, and need not, be heard. Why says why.
	May bool
	Why string
}

// Member is one membership of a user, from a commit to a commit.
type Member struct {
	User, Organization string
	ID                 string // of the row
	From               Place  // of its insert; zero if it was there at the start
	To                 Place  // of its delete, exclusive; zero if it is there at the end
	Roles              []Role // in order; the first begins with the membership
}

// Role is a role from a commit on.
type Role struct {
	From Place
	Name string
}

// Fate is how a membership ended, as its member is to be told.
func (m Member) Ended() bool { return m.To != Place{} }

// Truth is what happened: the facts in their order, the memberships in the order
// of their beginnings, and when which commit was acknowledged.
type Truth struct {
	Facts   []Fact
	Members []Member
	Commits []Commit // in commit order
}

// Commit is one committed transaction, whether it has facts or not.
type Commit struct {
	LSN  uint64
	XID  uint32
	Seen int64 // our clock, ns since the run's beginning, when the WAL gave it to us
	// Acked is when its writer had the answer, ns since the run's beginning; 0 if
	// nobody had.
	Acked int64
}
