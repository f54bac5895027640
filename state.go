package orgcast

// Space names one kind of state that is kept beside the events. State and
// position of a transaction are stored in one batch, so that what is known at a
// restart is exactly what was known at that position.
type Space byte

// The spaces. Their letters are stored in the log.
const (
	// SpaceParents holds whose the rows of parent tables are.
	SpaceParents Space = 'p'
	// SpaceMembers holds the rows of the membership table.
	SpaceMembers Space = 'm'
	// SpaceOrganizations holds the organizations' names.
	SpaceOrganizations Space = 'o'
	// SpaceSessions holds the sessions that the application keeps in its
	// database, by the hash of their tokens.
	SpaceSessions Space = 's'
	// SpaceReceipts holds what became of each batch that was published over HTTP,
	// by its ID.
	SpaceReceipts Space = 'r'
)

// StateChange is what a transaction does to one key of a [Space], or to all the
// keys that begin with Key.
type StateChange struct {
	Space Space
	Key   []byte
	// Value is the key's new value; nil unsets the key.
	Value []byte
	// Prefix unsets every key that begins with Key: a truncated table.
	Prefix bool
}
