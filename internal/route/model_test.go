package route

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/oikion/orgcast"
)

// version is one version of one row of the model's database. Its token stands
// for all its values and comes once.
type version struct {
	table, key, organization, token string
	parents                         [2]string // keys, "" for null
}

type ref struct{ table, key string }

// modelTable is what the model knows of a table.
type modelTable struct {
	keys     []string
	parents  []string
	relation *orgcast.Relation
	told     bool
}

var modelTables = map[string]modelTable{
	"properties": {[]string{"p1", "p2", "p3"}, nil, properties, true},
	"clients":    {[]string{"c1", "c2"}, nil, clients, false},
	"notes":      {[]string{"n1", "n2", "n3"}, []string{"properties", "clients"}, notes, true},
	"listings":   {[]string{"l1", "l2"}, []string{"properties"}, listings, true},
	"photos":     {[]string{"f1", "f2"}, []string{"listings"}, photos, true},
	"rooms":      {[]string{"r1", "r2"}, []string{"properties"}, rooms, true},
}

var modelOrganizations = []string{"a", "aa", "b"}

func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// row is a version as PostgreSQL sends it.
func (v version) row() row {
	switch v.table {
	case "properties":
		return row{v.key, null(v.organization), v.token, v.token, "u", "s"}
	case "clients":
		return row{v.key, null(v.organization)}
	case "notes":
		return row{v.key, null(v.parents[0]), null(v.parents[1]), v.token}
	}
	return row{v.key, null(v.parents[0]), v.token}
}

// database is a state of all tables.
type database map[ref]version

// owner is whose a version is, given the parents that a state has.
func (d database) owner(v version) (string, Reason) {
	found, table := v.organization, modelTables[v.table]
	for i, parent := range table.parents {
		if v.parents[i] == "" {
			continue
		}
		p, ok := d[ref{parent, v.parents[i]}]
		if !ok {
			return "", ReasonTenantUnknown
		}
		organization, reason := d.owner(p)
		switch {
		case reason != "":
			return "", reason
		case found != "" && found != organization:
			return "", ReasonTenantsDisagree
		}
		found = organization
	}
	if found == "" {
		return "", ReasonTenantNull
	}
	return found, ""
}

// modelChange is one change, with the parents that were known at its place: the
// deleted ones are.
type modelChange struct {
	old, new  *version
	known     database
	there     database // without the deleted ones
	truncated bool
}

// model is a plain database whose transactions it remembers.
type model struct {
	t       *rapid.T
	rows    database
	tokens  int
	allowed map[string]map[string]bool // token → organizations whose it was

	// of the transaction at hand
	start, first, known database
	changes             []modelChange
	frames              [][]byte
}

func (m *model) begin() {
	m.start, m.first, m.known = maps.Clone(m.rows), maps.Clone(m.rows), maps.Clone(m.rows)
	m.changes, m.frames = nil, nil
}

func (m *model) change(old, new *version) {
	m.changes = append(m.changes, modelChange{old: old, new: new, known: maps.Clone(m.known), there: maps.Clone(m.rows)})
	switch {
	case old == nil:
		m.frames = append(m.frames, insert(modelTables[new.table].relation, new.row()))
	case new == nil:
		m.frames = append(m.frames, remove(modelTables[old.table].relation, old.row()))
	default:
		m.frames = append(m.frames, update(modelTables[new.table].relation, new.row(), old.row()))
	}
	if old != nil {
		delete(m.rows, ref{old.table, old.key})
	}
	if new != nil {
		at := ref{new.table, new.key}
		m.rows[at], m.known[at] = *new, *new
		if _, ok := m.first[at]; !ok {
			m.first[at] = *new
		}
	}
}

// draw makes a version of its tenant columns' values at random.
func (m *model) draw(table, key string) version {
	m.tokens++
	v := version{table: table, key: key, token: fmt.Sprint(900000 + m.tokens)}
	parents := modelTables[table].parents
	if len(parents) == 0 {
		v.organization = rapid.SampledFrom(append([]string{""}, append(modelOrganizations, modelOrganizations...)...)).Draw(m.t, "organization")
	}
	for i, p := range parents {
		choices := modelTables[p].keys
		if len(parents) > 1 {
			choices = append([]string{"", ""}, choices...)
		}
		v.parents[i] = rapid.SampledFrom(choices).Draw(m.t, "parent")
	}
	return v
}

// children are the rows that point to a parent row.
func (m *model) children(table, key string) (children []version) {
	for _, at := range sortedRefs(m.rows) {
		v := m.rows[at]
		for i, p := range modelTables[v.table].parents {
			if p == table && v.parents[i] == key {
				children = append(children, v)
				break
			}
		}
	}
	return children
}

func sortedRefs(d database) []ref {
	return slices.SortedFunc(maps.Keys(d), func(a, b ref) int { return strings.Compare(a.table+a.key, b.table+b.key) })
}

// delete removes a row and, with cascade, what points to it, after it: the order
// in which PostgreSQL's triggers do.
func (m *model) delete(v version, cascade bool) {
	m.change(&v, nil)
	if cascade {
		for _, c := range m.children(v.table, v.key) {
			m.delete(c, true)
		}
	}
}

// step does something at random. Foreign keys are deferred: [model.settle].
func (m *model) step() {
	table := rapid.SampledFrom(slices.Sorted(maps.Keys(modelTables))).Draw(m.t, "table")
	key := rapid.SampledFrom(modelTables[table].keys).Draw(m.t, "key")
	at := ref{table, key}
	old, ok := m.rows[at]
	if !ok {
		v := m.draw(table, key)
		m.change(nil, &v)
		return
	}
	switch rapid.SampledFrom([]string{"touch", "update", "update", "rename", "delete", "cascade"}).Draw(m.t, "what") {
	case "touch":
		v := m.draw(table, key)
		v.organization, v.parents = old.organization, old.parents
		m.change(&old, &v)
	case "update":
		v := m.draw(table, key)
		m.change(&old, &v)
	case "rename":
		key := rapid.SampledFrom(modelTables[table].keys).Draw(m.t, "new key")
		if _, taken := m.rows[ref{table, key}]; taken {
			return
		}
		v := m.draw(table, key)
		v.organization, v.parents = old.organization, old.parents
		m.change(&old, &v)
		if rapid.Bool().Draw(m.t, "on update cascade") {
			for _, c := range m.children(table, old.key) {
				n := c
				m.tokens++
				n.token = fmt.Sprint(900000 + m.tokens)
				for i, p := range modelTables[c.table].parents {
					if p == table && c.parents[i] == old.key {
						n.parents[i] = key
					}
				}
				m.change(&c, &n)
			}
		}
	case "delete":
		m.delete(old, false)
	case "cascade":
		m.delete(old, true)
	}
}

// truncate empties everything that hangs on properties, by one statement; or clients
// alone, on which no foreign key insists.
func (m *model) truncate() {
	alone := rapid.Bool().Draw(m.t, "clients alone")
	m.changes = append(m.changes, modelChange{truncated: true, known: maps.Clone(m.known), there: maps.Clone(m.rows)})
	if alone {
		m.frames = append(m.frames, truncate(clients))
	} else {
		m.frames = append(m.frames, truncate(properties, listings, photos, notes, rooms))
	}
	hangs := func(at ref, _ version) bool { return (at.table == "clients") == alone }
	maps.DeleteFunc(m.rows, hangs)
	maps.DeleteFunc(m.known, hangs)
}

// settle makes the foreign keys hold, as the commit would insist.
func (m *model) settle() {
	for again := true; again; {
		again = false
		for _, at := range sortedRefs(m.rows) {
			v, ok := m.rows[at]
			for i, p := range modelTables[at.table].parents {
				if !ok || v.parents[i] == "" {
					continue
				}
				if _, there := m.rows[ref{p, v.parents[i]}]; there {
					continue
				}
				again = true
				if rapid.Bool().Draw(m.t, "give it a parent") {
					parent := m.draw(p, v.parents[i])
					m.change(nil, &parent)
				} else {
					m.delete(v, true)
					break
				}
			}
		}
	}
}

// place is what a change's new version finds: the parents that are known at its
// place and, of those that only come later, what the transaction first makes of
// them.
func (m *model) place(i int) database {
	place := maps.Clone(m.changes[i].known)
	for _, c := range m.changes[i+1:] {
		if c.new == nil {
			continue
		}
		at := ref{c.new.table, c.new.key}
		if _, there := place[at]; !there {
			place[at] = *c.new
		}
	}
	return place
}

// remember notes whose the versions were: each at the commit, if it got there.
// One that came and went within the transaction was his whose it was at all
// times, or whose it would be at the commit if it was his at its place.
func (m *model) remember() {
	allow := func(token, organization string) {
		if m.allowed[token] == nil {
			m.allowed[token] = map[string]bool{}
		}
		m.allowed[token][organization] = true
	}
	committed := map[string]bool{}
	for _, v := range m.rows {
		committed[v.token] = true
		if organization, reason := m.rows.owner(v); reason == "" {
			allow(v.token, organization)
		}
	}
	for i := range m.changes {
		v := m.changes[i].new
		if v == nil || committed[v.token] {
			continue
		}
		owners := map[string]bool{}
		for j := i + 1; j < len(m.changes); j++ {
			c := &m.changes[j]
			if organization, reason := c.known.owner(*v); reason == "" {
				owners[organization] = true
			}
			if c.truncated || c.old != nil && c.old.token == v.token {
				break
			}
		}
		for o := range owners {
			if len(owners) == 1 {
				allow(v.token, o)
			}
		}
		a, reasonA := m.place(i).owner(*v)
		if reasonA == "" && (len(owners) == 0 || m.midway()) {
			allow(v.token, a) // nobody else's, or of a table that was emptied behind it
		}
		if b, reasonB := m.known.owner(*v); reasonB == "" && (reasonA == ReasonTenantUnknown || a == b) {
			allow(v.token, b)
		}
	}
}

var tokens = regexp.MustCompile(`9\d{5}`)

// TestNobodySeesWhatWasNeverHis routes random transactions, in any order that
// PostgreSQL could give them, and holds what is told against plain tables.
func TestNobodySeesWhatWasNeverHis(t *testing.T) {
	for i := range 10 { // the rarest mistake found so far took 1,800 transactions
		t.Run(fmt.Sprint(i), rapid.MakeCheck(checkWorld))
	}
}

func checkWorld(t *rapid.T) {
	m := &model{t: t, rows: database{}, allowed: map[string]map[string]bool{}}
	w := smallWorld(t, nobody{})
	stored := map[string][]byte{}
	views := map[string]*view{}
	for _, o := range modelOrganizations {
		views[o] = &view{rows: map[ref]string{}, unsure: map[ref]bool{}, parts: map[ref]string{}}
	}
	for range rapid.IntRange(1, 8).Draw(t, "transactions") {
		m.begin()
		truncate := rapid.IntRange(0, 31).Draw(t, "truncate")
		for i := range rapid.IntRange(1, 8).Draw(t, "steps") {
			if i == truncate {
				m.truncate()
			}
			m.step()
		}
		m.settle()
		m.remember()
		out := w.commit(m.frames...)
		checkLeaks(m, w, out)
		checkTold(m, w, out)
		checkIndex(m, w, out, stored)
		checkViews(m, w, out, views)
	}
}

// checkLeaks: no value reaches an organization whose it never was.
func checkLeaks(m *model, w *world, out *Output) {
	for i := range out.Events {
		e := &out.Events[i]
		_, payload, _ := strings.Cut(string(e.Frame), `"payload":`)
		for _, token := range tokens.FindAllString(payload, -1) {
			if !m.allowed[token][string(e.Organization)] {
				m.t.Fatalf("%s got %s, which was %v's only:\n%s", e.Organization, token, m.allowed[token], strings.Join(w.lines(out), "\n"))
			}
		}
	}
}

// checkTold: a change whose versions are whose they are beyond doubt is told to
// these, and to nobody else.
func checkTold(m *model, w *world, out *Output) {
	byOrdinal := map[uint64][]string{}
	for i := range out.Events {
		e := &out.Events[i]
		if e.Kind == orgcast.KindReset {
			continue
		}
		_, payload, _ := strings.Cut(string(e.Frame), `"operation":"`)
		operation, _, _ := strings.Cut(payload, `"`)
		n := e.Cursor.Index / orgcast.SubIndexes
		byOrdinal[n] = append(byOrdinal[n], operation+" "+string(e.Organization))
	}
	doubts := 0
	told := map[string]string{} // whom a version of this transaction was told to; "" if in doubt
	for i, c := range m.changes {
		if c.truncated {
			continue
		}
		before, after, sure := "", "", true
		if c.old != nil {
			a, reasonA := m.first.owner(*c.old)
			b, reasonB := c.known.owner(*c.old)
			if reasonB == ReasonTenantNull {
				sure = c.new != nil // nobody's before
			} else {
				before, sure = a, reasonA == "" && reasonB == "" && a == b
			}
			if organization, made := told[c.old.token]; made {
				// What another was told, or nobody, is not what was there before.
				sure = sure && organization == before
			}
		}
		if c.new != nil {
			a, reasonA := m.place(i).owner(*c.new)
			b, reasonB := m.rows.owner(*c.new)
			if _, reason := c.known.owner(*c.new); reason == ReasonTenantUnknown && m.midway() {
				sure = false
			}
			if reasonB == ReasonTenantNull {
				sure = sure && before != "" // nobody's now
			} else {
				after, sure = b, sure && reasonA == "" && reasonB == "" && a == b
			}
		}
		if !sure {
			doubts++
			after = ""
		}
		if c.new != nil {
			told[c.new.token] = after
		}
		if !sure {
			continue
		}
		var want []string
		table := modelTables[cmpTable(c)]
		switch {
		case !table.told:
		case cmpTable(c) == "rooms":
			if m.late(i) {
				continue // told or not: the property is gone, and was not for all of its parts
			}
			want = c.partTold(before, after)
		case c.old == nil:
			want = []string{"create " + after}
		case c.new == nil:
			want = []string{"delete " + before}
		case before == after && c.old.key == c.new.key:
			want = []string{"update " + after}
		default:
			if before != "" {
				want = append(want, "delete "+before)
			}
			if after != "" {
				want = append(want, "create "+after)
			}
		}
		if got := byOrdinal[uint64(i)]; !slices.Equal(got, want) {
			m.t.Fatalf("change %d: told %q, want %q:\n%s", i, got, want, strings.Join(w.lines(out), "\n"))
		}
	}
	if len(w.withheld) > doubts {
		m.t.Fatalf("%d changes are in doubt, but:\n%s", doubts, strings.Join(w.lines(out), "\n"))
	}
}

// midway tells whether the parents are truncated behind a row that may ask for
// one.
func (m *model) midway() bool {
	asked := false
	for _, c := range m.changes {
		switch {
		case c.truncated && asked:
			return true
		case c.new != nil:
			asked = asked || len(modelTables[c.new.table].parents) > 0
		}
	}
	return false
}

// late tells whether a part was given to a property that is gone at its place,
// before the change at i.
func (m *model) late(i int) bool {
	return slices.ContainsFunc(m.changes[:i], func(c modelChange) bool {
		if c.new == nil || c.new.table != "rooms" {
			return false
		}
		_, there := c.there[ref{"properties", c.new.parents[0]}]
		return !there
	})
}

// partTold: a part's change is its property's update, and its delete is silent
// once the property is gone.
func (c modelChange) partTold(before, after string) (want []string) {
	stays := c.old != nil && c.new != nil && before == after && c.old.key == c.new.key && c.old.parents == c.new.parents
	if c.old != nil && before != "" && !stays {
		if _, there := c.there[ref{"properties", c.old.parents[0]}]; there {
			want = append(want, "update "+before)
		}
	}
	if c.new != nil && after != "" {
		want = append(want, "update "+after)
	}
	return want
}

func cmpTable(c modelChange) string {
	if c.new != nil {
		return c.new.table
	}
	return c.old.table
}

// checkIndex: the index is the parents as the commit left them, and what was
// stored of it, loaded anew, is the same.
func checkIndex(m *model, w *world, out *Output, stored map[string][]byte) {
	var want []string
	for at, v := range m.rows {
		if at.table != "notes" && at.table != "photos" && at.table != "rooms" {
			organization, reason := m.rows.owner(v)
			want = append(want, fmt.Sprintf("public.%s %s %s%s", at.table, at.key, organization, reason))
		}
	}
	slices.Sort(want)
	if got := index(w.router); !slices.Equal(got, want) {
		m.t.Fatalf("index\n%q, want\n%q", got, want)
	}
	for _, s := range out.States {
		switch {
		case s.Prefix:
			maps.DeleteFunc(stored, func(key string, _ []byte) bool { return strings.HasPrefix(key, string(s.Key)) })
		case s.Value == nil:
			delete(stored, string(s.Key))
		default:
			stored[string(s.Key)] = slices.Clone(s.Value)
		}
	}
	again := New(w.router.rules, nobody{}, Hooks{})
	for key, value := range stored {
		if err := again.Load(orgcast.SpaceParents, []byte(key), value); err != nil {
			m.t.Fatal(err)
		}
	}
	for name, t := range w.router.tables {
		if len(t.deleted)+len(t.final)+len(t.first)+len(t.scanned) > 0 || t.emptied != nil {
			m.t.Fatalf("%s keeps something of a transaction that is over", name)
		}
		if t.rows == nil {
			continue
		}
		known := maps.Collect(again.tables[name].rows.all())
		for key, entry := range t.rows.all() {
			if got := string(appendTenant(nil, known[key])); got != string(appendTenant(nil, entry)) {
				m.t.Fatalf("%s %s: loaded as %q", name, key, got)
			}
		}
		if n := len(maps.Collect(t.rows.all())); n != len(known) {
			m.t.Fatalf("%s: %d rows, loaded %d", name, n, len(known))
		}
	}
}

// view is what a client holds who applies what it is told: the tokens of its
// rows. Rows that were withheld for a reason that no reset makes good are not
// compared until it hears of them again.
type view struct {
	rows   map[ref]string
	unsure map[ref]bool
	parts  map[ref]string // rooms: the key of the property that each is a part of
}

var entities = map[string]string{"n": "notes", "f": "photos", "p": "properties", "l": "listings"}

// checkViews: after every commit a client's view is what its organization has.
func checkViews(m *model, w *world, out *Output, views map[string]*view) {
	mine := func(o string) map[ref]string {
		rows := map[ref]string{}
		for at, v := range m.rows {
			if organization, _ := m.rows.owner(v); organization == o && modelTables[at.table].told {
				rows[at] = v.token
			}
		}
		return rows
	}
	events, truncated := out.Events, false
	for i, c := range m.changes {
		truncated = truncated || c.truncated
		for len(events) > 0 && events[0].Cursor.Index/orgcast.SubIndexes == uint64(i) {
			e := &events[0]
			events = events[1:]
			for o, v := range views {
				switch {
				case e.Organization != orgcast.OrganizationID(o) && e.Organization != orgcast.Everyone:
				case e.Kind == orgcast.KindReset:
					v.rows, v.unsure, v.parts = mine(o), map[ref]bool{}, map[ref]string{}
					for at := range v.rows {
						if at.table == "rooms" {
							v.parts[at] = m.rows[at].parents[0]
						}
					}
				default:
					v.apply(string(e.Frame))
				}
			}
		}
		for at, x := range c.there {
			// A part that outlives its property's delete, as no cascade lets it:
			// a client dropped it with the property.
			if c.old != nil && c.old.table == "properties" && (c.new == nil || c.new.key != c.old.key) &&
				at.table == "rooms" && x.parents[0] == c.old.key && m.rows[at].token == x.token {
				for _, v := range views {
					v.unsure[at] = true
				}
			}
		}
		for _, x := range m.doubtful(c, truncated) {
			for _, v := range views {
				m.unsure(v, x)
			}
		}
	}
	for o, v := range views {
		want := mine(o)
		for at := range v.unsure {
			delete(want, at)
			delete(v.rows, at)
		}
		if !maps.Equal(v.rows, want) {
			m.t.Fatalf("%s sees %v, has %v:\n%s", o, v.rows, want, strings.Join(w.lines(out), "\n"))
		}
	}
}

// doubtful are a change's versions of which, at some place of the transaction,
// it can't be said whose they are. Behind a TRUNCATE of parents a parent that is not
// there is no doubt: everybody is told to refetch.
func (m *model) doubtful(c modelChange, truncated bool) (list []version) {
	for _, x := range []*version{c.old, c.new} {
		for _, d := range []database{m.first, c.known, m.known, m.rows} {
			if x == nil {
				continue
			}
			if _, reason := d.owner(*x); reason != "" && !(truncated && reason == ReasonTenantUnknown) {
				list = append(list, *x)
				break
			}
		}
	}
	return list
}

// unsure takes a row, and what hangs on it, out of a view's comparison.
func (m *model) unsure(v *view, x version) {
	v.unsure[ref{x.table, x.key}] = true
	for at, c := range m.known {
		for i, p := range modelTables[c.table].parents {
			if p == x.table && c.parents[i] == x.key && !v.unsure[at] {
				m.unsure(v, c)
			}
		}
	}
}

var (
	idOf        = regexp.MustCompile(`"(?:propertyId|entityId)":"([^"]+)"`)
	operationOf = regexp.MustCompile(`"operation":"(\w+)"`)
	roomOf      = regexp.MustCompile(`"rooms\.(r\d)":\{("new":null)?`)
	newOf       = regexp.MustCompile(`"new":"(9\d{5})"|"content":"(9\d{5})"|"url":"(9\d{5})"`)
)

func (v *view) apply(frame string) {
	if part := roomOf.FindStringSubmatch(frame); part != nil {
		at := ref{"rooms", part[1]}
		delete(v.unsure, at)
		delete(v.rows, at)
		if part[2] == "" {
			v.rows[at], v.parts[at] = newOf.FindStringSubmatch(frame)[1], idOf.FindStringSubmatch(frame)[1]
		}
		return
	}
	id, operation := idOf.FindStringSubmatch(frame)[1], operationOf.FindStringSubmatch(frame)[1]
	if id == "*" {
		clear(v.rows) // one of them stands for all: they are truncated together
		clear(v.unsure)
		return
	}
	at := ref{entities[id[:1]], id}
	delete(v.unsure, at)
	if operation == "delete" {
		delete(v.rows, at)
		for part, whole := range v.parts {
			if at.table == "properties" && whole == at.key {
				delete(v.rows, part)
			}
		}
		return
	}
	found := newOf.FindStringSubmatch(frame)
	v.rows[at] = found[1] + found[2] + found[3]
}
