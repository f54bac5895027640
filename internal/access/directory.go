package access

import (
	"cmp"
	"slices"
	"sync"

	"github.com/oikion/orgcast"
)

// Directory is who belongs where. It is written by the feed and read by all.
type Directory struct {
	mu     sync.RWMutex
	rows   map[string]orgcast.Member
	places map[place][]orgcast.Member
	names  map[orgcast.OrganizationID]string
	// sessions holds a row as long as the application does: also one that has
	// expired, which the application may still extend.
	sessions map[orgcast.SessionID]orgcast.Session
}

// place is where a membership is one: the table may have several rows for it.
type place struct {
	user         orgcast.UserID
	organization orgcast.OrganizationID
}

// NewDirectory returns an empty directory.
func NewDirectory() *Directory {
	d := &Directory{}
	d.Forget()
	return d
}

// Forget empties the directory, before it is loaded again.
func (d *Directory) Forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rows = map[string]orgcast.Member{}
	d.places = map[place][]orgcast.Member{}
	d.names = map[orgcast.OrganizationID]string{}
	d.sessions = map[orgcast.SessionID]orgcast.Session{}
}

// Load puts one stored entry into the directory. Other spaces are not its own.
func (d *Directory) Load(space orgcast.Space, key, value []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.set(space, key, value)
}

// Replace loads the directory anew: load puts every stored entry. Who asks in the
// meantime, or after an error, is told what was known before.
func (d *Directory) Replace(load func(put func(space orgcast.Space, key, value []byte) error) error) error {
	next := NewDirectory()
	if err := load(next.Load); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rows, d.places, d.names, d.sessions = next.rows, next.places, next.names, next.sessions
	return nil
}

// Apply applies what a transaction changed, all of it or, if an entry can't be
// read, none of what follows.
func (d *Directory) Apply(changes []orgcast.StateChange) error {
	if len(changes) == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range changes {
		c := &changes[i]
		switch {
		case c.Prefix && c.Space == orgcast.SpaceMembers:
			clear(d.rows)
			clear(d.places)
		case c.Prefix && c.Space == orgcast.SpaceOrganizations:
			clear(d.names)
		case c.Prefix && c.Space == orgcast.SpaceSessions:
			clear(d.sessions)
		case c.Prefix:
		default:
			if err := d.set(c.Space, c.Key, c.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

// set sets or, with a nil value, unsets one entry.
func (d *Directory) set(space orgcast.Space, key, value []byte) error {
	switch space {
	case orgcast.SpaceOrganizations:
		if value == nil {
			delete(d.names, orgcast.OrganizationID(key))
		} else {
			d.names[orgcast.OrganizationID(key)] = string(value)
		}
	case orgcast.SpaceSessions:
		return d.setSession(key, value)
	case orgcast.SpaceMembers:
		if old, ok := d.rows[string(key)]; ok {
			d.remove(old)
		}
		if value == nil {
			return nil
		}
		m, err := orgcast.ParseMember(key, value)
		if err != nil {
			return err
		}
		at := place{m.User, m.Organization}
		d.rows[m.Row] = m
		d.places[at] = append(d.places[at], m)
	}
	return nil
}

// setSession forgets what it had before it reads: an entry that can't be read is
// nobody's session.
func (d *Directory) setSession(key, value []byte) error {
	if len(key) == len(orgcast.SessionID{}) {
		delete(d.sessions, orgcast.SessionID(key))
	}
	if value == nil {
		return nil
	}
	id, session, err := orgcast.ParseSession(key, value)
	if err != nil {
		return err
	}
	d.sessions[id] = session
	return nil
}

func (d *Directory) remove(m orgcast.Member) {
	delete(d.rows, m.Row)
	at := place{m.User, m.Organization}
	left := slices.DeleteFunc(d.places[at], func(o orgcast.Member) bool { return o.Row == m.Row })
	if len(left) == 0 {
		delete(d.places, at)
	} else {
		d.places[at] = left
	}
}

// Membership tells whether a user belongs to an organization, and since when.
// Where the table has several rows for one membership, the newest counts: it
// reaches back least.
func (d *Directory) Membership(user orgcast.UserID, organization orgcast.OrganizationID) (orgcast.Membership, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	rows := d.places[place{user, organization}]
	if len(rows) == 0 {
		return orgcast.Membership{}, false
	}
	m := slices.MaxFunc(rows, func(a, b orgcast.Member) int {
		return cmp.Or(cmp.Compare(a.Since, b.Since), cmp.Compare(a.Row, b.Row))
	})
	return orgcast.Membership{Organization: organization, User: user, Role: m.Role, Since: m.Since}, true
}

// Session tells whose a session is and when it ends, also if it has ended
// already.
func (d *Directory) Session(id orgcast.SessionID) (orgcast.Session, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	s, ok := d.sessions[id]
	return s, ok
}

// Sessions is how many rows the table of sessions has.
func (d *Directory) Sessions() int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.sessions)
}

// Name is an organization's name; empty if it has none.
func (d *Directory) Name(organization orgcast.OrganizationID) string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.names[organization]
}

// Exists tells whether there is such an organization.
func (d *Directory) Exists(organization orgcast.OrganizationID) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	_, ok := d.names[organization]
	return ok
}

// Size is how many members and organizations there are.
func (d *Directory) Size() (members, organizations int) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.rows), len(d.names)
}
