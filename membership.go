package orgcast

import (
	"encoding/binary"
	"errors"
)

// Member is one row of the application's membership table.
type Member struct {
	// Row is the row's primary key.
	Row          string
	Organization OrganizationID
	User         UserID
	Role         string
	// Since is the commit LSN that made the user a member; zero if the row is
	// older than the log.
	Since LSN
}

// Membership is one user's present place in one organization, as the WAL tells
// it.
type Membership struct {
	Organization OrganizationID
	User         UserID
	Role         string
	// Since is the commit LSN that made the user a member: no replay for this
	// user reaches behind it.
	Since LSN
}

// MemberChange is what a transaction does to a membership.
type MemberChange struct {
	// Cursor is that of the event that tells of it.
	Cursor Cursor
	// Before is the membership that ends, and After the one that begins; an
	// update has both.
	Before, After *Member
	// Everybody is a truncated membership table.
	Everybody bool
}

// errMember is a stored member that can't be read.
var errMember = errors.New("read member: malformed entry")

// Append appends the member, but for its row, in the form in which it is
// stored: since (8 bytes, big endian), then organization and user, each led by
// its length (uvarint), then the role.
func (m *Member) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.Since))
	dst = binary.AppendUvarint(dst, uint64(len(m.Organization)))
	dst = append(dst, m.Organization...)
	dst = binary.AppendUvarint(dst, uint64(len(m.User)))
	dst = append(dst, m.User...)
	return append(dst, m.Role...)
}

// ParseMember reads what [Member.Append] wrote.
func ParseMember(row, value []byte) (Member, error) {
	if len(value) < 8 {
		return Member{}, errMember
	}
	m := Member{Row: string(row), Since: LSN(binary.BigEndian.Uint64(value))}
	organization, value, ok := cutUvarint(value[8:])
	user, role, ok2 := cutUvarint(value)
	if !ok || !ok2 {
		return Member{}, errMember
	}
	m.Organization, m.User, m.Role = OrganizationID(organization), UserID(user), string(role)
	return m, nil
}

// cutUvarint cuts a text that its length leads.
func cutUvarint(b []byte) (text, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	end := size + int(n)
	return b[size:end], b[end:], true
}
