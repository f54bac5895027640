package verify

// What is one thing that happened to a client.
type What byte

const (
	// Asked: a request was sent. Filter and Cursor (the zero one: none) are what it
	// was sent with. On an open stream, its filter is being changed; and, with a
	// Cursor, that is done and counts for all behind it.
	Asked What = iota
	// Refused: the answer was not 200. Status says which; 0: there was no answer.
	Refused
	// Connected: the answer was 200 and `connection` came. Cursor if it had an id.
	Connected
	// Heard: an event, at Cursor, with its Data.
	Heard
	// Ready: `ready`, at Cursor.
	Ready
	// Beat: a comment, with a Cursor if it had an id.
	Beat
	// Stale and Live: `status`.
	Stale
	Live
	// Reset: `reset`, at Cursor, Reason.
	Reset
	// Closing: `closing`, Reason.
	Closing
	// Cut: the connection ended.
	Cut
	// Paged: one answer of the events call, with its Cursor, behind the Heard ones
	// that it brought.
	Paged
	// Moved: such an answer says `reset moved` for what is between the cursor that it
	// was asked for and its own, before the Heard ones that it brought.
	Moved
	// Broken: something that no stream may say. Reason says what.
	Broken
	// Passed: our own note. From here on the client may be somewhere else (a new
	// browser, without a cursor).
	Passed
)

var whats = [...]string{"asked", "refused", "connected", "heard", "ready", "beat", "stale", "live", "reset", "closing", "cut", "paged", "moved", "broken", "passed"}

func (w What) String() string { return whats[w] }

// Entry is one thing that happened to a client, at a time.
type Entry struct {
	At     int64 // ns since the run's beginning, by the monotonic clock
	What   What
	Status int
	Cursor Cursor
	Reason string
	Filter *Filter // of Asked
	Data   *string // of Heard: the whole data line; equal ones are shared
}

// Filter is what a client asked to hear. Nil lists are all.
type Filter struct {
	Channels []string
	Types    []string
}

// Hears says whether a filter lets an event through.
func (f *Filter) Hears(channel, typ string) bool {
	return f == nil || among(f.Channels, channel) && among(f.Types, typ)
}

func among(list []string, s string) bool {
	if list == nil {
		return true
	}
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// Record is all that happened to one client, in order. A client has at most one
// request at a time.
type Record struct {
	Client        string // its name in the report
	Kind          string // eventsource, resumer, slow, late, poller …
	User          string
	Organizations []string
	Entries       []Entry
}
