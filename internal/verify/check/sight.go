package check

import (
	"slices"

	"github.com/oikion/orgcast/internal/verify"
)

// sight is whether somebody may hear something.
type sight byte

const (
	must  sight = iota // he is to hear it
	may                // he may hear it, and need not
	never              // he must not; why says why
)

// sees says whether a client is to hear a fact on the connection at hand, and if
// never, what it would be.
func (c *walk) sees(f *verify.Fact) (sight, Offence) {
	verdict := must
	here := verify.Place{LSN: f.LSN, Index: f.Ordinal * 8}
	lower := func(s sight) {
		if s == may {
			verdict = may
		}
	}
	if f.Organization != "*" {
		s, why := c.belongs(f)
		if s == never {
			return never, why
		}
		lower(s)
	} else {
		lower(may)
	}
	if f.Users != nil && !slices.Contains(f.Users, c.r.User) {
		return never, Audience
	}
	if f.Roles != nil {
		s := c.ranks(f)
		if s == never {
			return never, Audience
		}
		lower(s)
	}
	if f.Type != "reset" {
		now, then := c.filter.Hears(f.Channel, f.Type), c.former.Hears(f.Channel, f.Type)
		if !c.changing && (c.changed.Epoch != c.at.Epoch || here.Compare(c.changed.Place) > 0) {
			then = now
		}
		switch {
		case !now && !then:
			return never, Unfiltered
		case now != then:
			lower(may)
		}
	}
	if f.May {
		lower(may)
	}
	return verdict, ""
}

// belongs says whether the client was a member when a fact was committed, by the
// membership that it has on the connection at hand.
func (c *walk) belongs(f *verify.Fact) (sight, Offence) {
	here := verify.Place{LSN: f.LSN, Index: f.Ordinal * 8}
	floor := c.floors[f.Organization]
	was := false
	for _, m := range c.w.members[c.r.User][f.Organization] {
		if m.From.LSN > f.LSN {
			break
		}
		was = true
		if m.Ended() && (m.To.LSN < f.LSN || m.To.LSN == f.LSN && m.To.Ordinal() < here.Ordinal()) {
			continue
		}
		switch since, ok := c.since[f.Organization]; {
		case m.From.LSN == f.LSN:
			return may, "" // the transaction that made him one
		case m.From.LSN < floor:
			return never, Before // of a former membership
		case ok && since != c.w.since(m):
			return never, Revoked // the stream has gone on through his removal
		}
		return must, ""
	}
	switch m, ok := c.w.membership(c.r.User, f.Organization, f.LSN); {
	case ok && m.From.LSN == f.LSN:
		return may, "" // he is one again when it is over
	case was:
		return never, Revoked
	}
	return never, Before
}

// since is the commit since which somebody has been a member: one who leaves and
// joins again in the same transaction has never been none.
func (w *World) since(m verify.Member) uint64 {
	since := m.From.LSN
	for {
		before, ok := w.membership(m.User, m.Organization, since-1)
		if !ok || since == 0 || before.To.LSN != since {
			return since
		}
		since = before.From.LSN
	}
}

// ranks says whether the client's role may hear a fact: as of its commit, and as
// of any later time of the same membership, since a replay goes by the present
// role.
func (c *walk) ranks(f *verify.Fact) sight {
	for _, m := range c.w.members[c.r.User][f.Organization] {
		if m.From.LSN > f.LSN || m.Ended() && m.To.LSN < f.LSN {
			continue
		}
		yes, no := false, false
		for i, r := range m.Roles {
			if i+1 < len(m.Roles) && m.Roles[i+1].From.LSN < f.LSN {
				continue // it was over
			}
			if slices.Contains(f.Roles, r.Name) {
				yes = true
			} else {
				no = true
			}
		}
		switch {
		case yes && no:
			return may
		case yes:
			return must
		}
		return never
	}
	return never
}

// membership is the last membership that began at or before a place.
func (w *World) membership(user, organization string, lsn uint64) (m verify.Member, ok bool) {
	for _, c := range w.members[user][organization] {
		if c.From.LSN <= lsn {
			m, ok = c, true
		}
	}
	return m, ok
}

// floors are the commits of the memberships of which the server certainly knew when
// the client asked.
func (w *World) floors(user string, organizations []string, asked int64) map[string]uint64 {
	floors := map[string]uint64{}
	known := w.upToDate(asked)
	for _, o := range organizations {
		for _, m := range w.members[user][o] {
			if m.From.LSN == 0 {
				continue
			}
			if k := w.commit(m.From.LSN).Acked; k > 0 && k <= known {
				floors[o] = max(floors[o], m.From.LSN)
			}
		}
	}
	return floors
}

// turnedAway says whether a 403 between two times has a reason: in one of the
// organizations the user may have been no member.
func (w *World) turnedAway(user string, organizations []string, asked, answered int64) bool {
	for _, o := range organizations {
		certain := false
		for _, m := range w.members[user][o] {
			begun := m.From.LSN == 0
			if k := w.commit(m.From.LSN).Acked; !begun && k > 0 && k <= asked {
				begun = true
			}
			over := false
			if m.Ended() {
				k := w.known(m.To.LSN)
				over = k == 0 || k-w.options.Answer <= answered
			}
			certain = certain || begun && !over
		}
		if !certain {
			return true
		}
	}
	return false
}
