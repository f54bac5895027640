package route

import "github.com/oikion/orgcast"

// maxKey bounds a primary key, in bytes; PostgreSQL's own bound, that of an
// index entry, is lower.
const maxKey = 8 << 10

func isKey(v *orgcast.Value) bool { return v.Kind == orgcast.Text && len(v.Text) <= maxKey }

// oldOrganization resolves the old version of an updated or deleted row. Without
// FULL replica identity it is not all there: then nothing is guessed.
//
// It may be older than the transaction or made by it. If its parent has moved in
// between, the first was another organization's than the second: only one that
// was told as the second's is taken for that. If it was made by it and told to
// nobody, untold says so: it must not be told of as what was there before.
func (r *Router) oldOrganization(b *binding, c *orgcast.Change) (organization orgcast.OrganizationID, untold bool, reason Reason) {
	if c.Old == nil {
		return "", false, ReasonNoOldRow
	}
	if !isKey(&c.Old[b.id]) {
		return "", false, ReasonNoKey
	}
	organization, reason = r.organizationOf(b, c.Old, atPlace)
	if reason != "" || !r.rewritten {
		return organization, false, reason
	}
	told, made := r.told[toldRow{b.table, string(c.Old[b.id].Text)}]
	found, reason := r.organizationOf(b, c.Old, atStart)
	switch {
	case made && told == organization:
		return organization, false, ""
	case made && told != "", !made && len(r.told) >= maxTold:
		return "", false, ReasonParentMoved
	case reason != "":
		return "", false, reason
	case found != organization:
		return "", false, ReasonParentMoved
	}
	return organization, made, ""
}

// toldRow is a row that a transaction made or changed after one of its parents
// moved.
type toldRow struct {
	table *table
	key   string
}

// maxTold bounds these; at the bound, what changes again in the same transaction
// and is not among them is withheld.
const maxTold = 1 << 18

// remember notes whom the new version is told to, nobody included.
func (r *Router) remember(b *binding, c *orgcast.Change, organization orgcast.OrganizationID) {
	if !r.rewritten {
		return
	}
	if c.Old != nil && c.Old[b.id].Kind == orgcast.Text {
		delete(r.told, toldRow{b.table, string(c.Old[b.id].Text)})
	}
	if c.New != nil && c.New[b.id].Kind == orgcast.Text && len(r.told) < maxTold {
		r.told[toldRow{b.table, string(c.New[b.id].Text)}] = organization
	}
}

// newOrganization resolves the new version of an inserted or updated row: whose
// it is at the commit, if it is his at its place too, or as soon as his parents come.
func (r *Router) newOrganization(b *binding, c *orgcast.Change) (orgcast.OrganizationID, Reason) {
	if !isKey(&c.New[b.id]) {
		return "", ReasonNoKey
	}
	organization, reason := r.organizationOf(b, c.New, atCommit)
	if reason != "" || !r.scanned {
		return organization, reason
	}
	// Those that its place has by the same keys may be gone before those come that
	// the commit has. Whoever has these is told to refetch.
	found, reason := r.organizationOf(b, c.New, atArrival)
	if reason != ReasonTenantUnknown && (reason != "" || found != organization) {
		return "", ReasonParentMoved
	}
	return organization, ""
}
