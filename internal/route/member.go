package route

import (
	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/sse"
)

// membership routes a change of the membership table: it is told, and it is
// what access is decided by. A version that makes nobody a member (it lacks user
// or organization) is withheld; the other one still counts.
func (r *Router) membership(b *binding, c *orgcast.Change, out *Output) {
	if r.membershipOID != 0 && c.Relation.OID != r.membershipOID {
		r.everybodyLeaves(c.Ordinal, out) // it was made anew: of what the old one held nothing is left
	}
	r.membershipOID = c.Relation.OID
	if c.Operation != orgcast.Insert && (c.Old == nil || c.OldIsKey) {
		r.withhold(b.table, ReasonNoOldRow)
		r.distrust(b, c, out)
		return
	}
	var before, after *orgcast.Member
	var unread Reason
	if c.Old != nil {
		before, unread = b.member(c.Old)
	}
	if c.New != nil {
		var reason Reason
		if after, reason = b.member(c.New); reason != "" {
			unread = reason
		}
	}
	if unread != "" {
		r.withhold(b.table, unread)
	}
	if before == nil && after == nil {
		return
	}
	stays := before != nil && after != nil && before.Organization == after.Organization && before.User == after.User
	if after != nil {
		after.Since = r.tx.CommitLSN
		if stays {
			after.Since = r.since(before)
		}
	}
	switch {
	case stays && before.Role != after.Role:
		r.roleChange(out, c.Ordinal, after)
	case stays && before.Row == after.Row:
		return // nothing that matters here
	case stays: // another key for the same membership
	default:
		sub := uint64(0)
		if before != nil {
			r.leave(out, c.Ordinal, before)
			sub = 1
		}
		if after != nil {
			r.join(out, c.Ordinal, sub, after)
		}
	}
	out.Members = append(out.Members, orgcast.MemberChange{Cursor: r.cursor(c.Ordinal, 0), Before: before, After: after})
	if before != nil {
		r.joined[member{before.User, before.Organization}] = false
		if !stays {
			r.left[member{before.User, before.Organization}] = true
		}
	}
	if after != nil {
		r.joined[member{after.User, after.Organization}] = true
	}
	if before != nil && (after == nil || after.Row != before.Row) {
		out.set(orgcast.SpaceMembers, func(k []byte) []byte { return append(k, before.Row...) }, nil)
	}
	if after != nil {
		out.set(orgcast.SpaceMembers,
			func(k []byte) []byte { return append(k, after.Row...) },
			after.Append)
	}
}

// SetMembership says which table the table of members is in the catalog; 0 if
// that is not known. Another one of its name is another table, which holds nothing
// of what this one held: DROP is not in the WAL.
func (r *Router) SetMembership(oid uint32) { r.membershipOID = oid }

// everybodyLeaves ends every membership.
func (r *Router) everybodyLeaves(ordinal uint64, out *Output) {
	r.joined, r.everybodyLeft = cleared(r.joined), true
	out.States = append(out.States, orgcast.StateChange{Space: orgcast.SpaceMembers, Prefix: true})
	out.Members = append(out.Members, orgcast.MemberChange{Cursor: r.cursor(ordinal, orgcast.SubIndexes-1), Everybody: true})
}

// since is when a member whose row changes became one.
func (r *Router) since(m *orgcast.Member) orgcast.LSN {
	known, ok := r.members.Membership(m.User, m.Organization)
	if !ok || r.left[member{m.User, m.Organization}] {
		return r.tx.CommitLSN // joined, or came back, in this very transaction
	}
	return known.Since
}

// distrust takes a change of the membership table whose old version can't be
// read. Access is not left standing on what it may have taken away: the row
// counts for what it says now, if that can be read, else for nobody; if not even
// its key is known, no row counts. Every stream is judged anew.
func (r *Router) distrust(b *binding, c *orgcast.Change, out *Output) {
	out.Members = append(out.Members, orgcast.MemberChange{Cursor: r.cursor(c.Ordinal, orgcast.SubIndexes-1), Everybody: true})
	for _, row := range [][]orgcast.Value{c.Old, c.New} {
		switch {
		case row == nil:
		case b.id < 0 || row[b.id].Kind != orgcast.Text:
			out.States = append(out.States, orgcast.StateChange{Space: orgcast.SpaceMembers, Prefix: true})
			return
		default:
			out.set(orgcast.SpaceMembers, func(k []byte) []byte { return append(k, row[b.id].Text...) }, nil)
		}
	}
	if b.missing != "" || c.New == nil || !sent(&c.New[b.role]) {
		return
	}
	if m, reason := b.member(c.New); reason == "" {
		m.Since = r.tx.CommitLSN
		out.set(orgcast.SpaceMembers, func(k []byte) []byte { return append(k, m.Row...) }, m.Append)
	}
}

// member is a place that a user may have in an organization.
type member struct {
	user         orgcast.UserID
	organization orgcast.OrganizationID
}

// present tells whether a user is a member at this place.
func (r *Router) present(user orgcast.UserID, organization orgcast.OrganizationID) bool {
	if is, changed := r.joined[member{user, organization}]; changed || r.everybodyLeft {
		return is
	}
	_, ok := r.members.Membership(user, organization)
	return ok
}

// member reads one row of the membership table.
func (b *binding) member(row []orgcast.Value) (*orgcast.Member, Reason) {
	return newMember(row[b.id].Text, row[b.user].Text, row[b.organization].Text, row[b.role].Text)
}

// maxRole bounds a role's name, in bytes.
const maxRole = 255

// newMember reads a membership from its texts; nil is a null, or was not sent.
func newMember(row, user, organization, role []byte) (*orgcast.Member, Reason) {
	switch {
	case len(row) == 0 || len(row) > maxKey || len(user) == 0 || len(user) > maxKey:
		return nil, ReasonNoKey
	case len(organization) == 0:
		return nil, ReasonTenantNull
	case len(organization) > orgcast.MaxOrganizationID:
		return nil, ReasonTenantTooLong
	case string(organization) == string(orgcast.Everyone):
		return nil, ReasonTenantReserved
	case len(role) > maxRole:
		return nil, ReasonRoleTooLong
	}
	return &orgcast.Member{
		Row:          string(row),
		User:         orgcast.UserID(user),
		Organization: orgcast.OrganizationID(organization),
		Role:         string(role),
	}, ""
}

func (r *Router) join(out *Output, ordinal, sub uint64, m *orgcast.Member) {
	start := r.begin(out, ordinal, sub, m.Organization, orgcast.MemberJoin)
	f := memberHead(out.frames, m)
	f = append(f, `,"role":`...)
	f = sse.AppendString(f, m.Role)
	f = append(f, `,"invitedBy":`...)
	f = r.appendActor(f, m.Organization)
	out.frames = append(f, '}')
	r.end(out, start, orgcast.Audience{}, false)
}

func (r *Router) leave(out *Output, ordinal uint64, m *orgcast.Member) {
	start := r.begin(out, ordinal, 0, m.Organization, orgcast.MemberLeave)
	out.frames = append(memberHead(out.frames, m), '}')
	r.end(out, start, orgcast.Audience{}, false)
}

func memberHead(dst []byte, m *orgcast.Member) []byte {
	dst = append(dst, `{"memberId":`...)
	dst = sse.AppendString(dst, m.Row)
	dst = append(dst, `,"userId":`...)
	dst = sse.AppendString(dst, string(m.User))
	dst = append(dst, `,"organizationId":`...)
	return sse.AppendString(dst, string(m.Organization))
}

// roleChange tells that a member may do other things now.
func (r *Router) roleChange(out *Output, ordinal uint64, m *orgcast.Member) {
	start := r.begin(out, ordinal, 0, m.Organization, orgcast.OrganizationChange)
	f := append(out.frames, `{"organizationId":`...)
	f = sse.AppendString(f, string(m.Organization))
	f = append(f, `,"changeType":"permissions","changes":{"memberId":`...)
	f = sse.AppendString(f, m.Row)
	f = append(f, `,"userId":`...)
	f = sse.AppendString(f, string(m.User))
	f = append(f, `,"role":`...)
	f = sse.AppendString(f, m.Role)
	f = append(f, `},"updatedBy":`...)
	f = r.appendActor(f, m.Organization)
	out.frames = append(f, '}')
	r.end(out, start, orgcast.Audience{}, false)
}

// appendActor appends the transaction's actor, if a member names himself.
func (r *Router) appendActor(dst []byte, organization orgcast.OrganizationID) []byte {
	if r.actor != "" {
		if _, ok := r.members.Membership(r.actor, organization); ok {
			return sse.AppendString(dst, string(r.actor))
		}
	}
	return append(dst, "null"...)
}
