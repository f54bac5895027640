package route

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/pgoutput"
	"github.com/oikion/orgcast/internal/pgoutput/pgoutputtest"
	"github.com/oikion/orgcast/internal/publish"
)

// nobody has no members.
type nobody struct{}

func (nobody) Membership(orgcast.UserID, orgcast.OrganizationID) (orgcast.Membership, bool) {
	return orgcast.Membership{}, false
}

// members are given as "user@organization".
type members map[string]orgcast.LSN

func (m members) Membership(user orgcast.UserID, organization orgcast.OrganizationID) (orgcast.Membership, bool) {
	since, ok := m[string(user)+"@"+string(organization)]
	return orgcast.Membership{Organization: organization, User: user, Since: since}, ok
}

// relation describes a table with FULL identity.
func relation(oid uint32, name string, columns ...orgcast.Column) *orgcast.Relation {
	for i := range columns {
		columns[i].TypeMod, columns[i].Key = -1, true
	}
	return &orgcast.Relation{OID: oid, Schema: "public", Name: name, Identity: orgcast.IdentityFull, Columns: columns}
}

const oidText = 25

func text(name string) orgcast.Column { return orgcast.Column{Name: name, TypeOID: oidText} }

// propertiesRelation is the first application's table, whole.
var propertiesRelation = relation(1, "properties",
	text("id"), orgcast.Column{Name: "price", TypeOID: oidNumeric}, orgcast.Column{Name: "bedrooms", TypeOID: oidInt4},
	orgcast.Column{Name: "bathrooms", TypeOID: oidInt4}, orgcast.Column{Name: "size", TypeOID: oidNumeric}, orgcast.Column{Name: "yearBuilt", TypeOID: oidInt4},
	orgcast.Column{Name: "features", TypeOID: oidJSONB}, text("description"),
	orgcast.Column{Name: "created_at", TypeOID: oidTimestamp}, orgcast.Column{Name: "updated_at", TypeOID: oidTimestamp},
	text("organizationId"), text("createdBy"),
	orgcast.Column{Name: "propertyType", TypeOID: 16386}, orgcast.Column{Name: "status", TypeOID: 16392}, orgcast.Column{Name: "transactionType", TypeOID: 16398},
)

// smallRules are the preset's shapes with few columns, and one more: listings,
// which are told with their old values and ask a parent whose they are. Rooms are
// parts.
const smallRules = `
version: 1
organizations: {table: organizations, id: id, name: name}
membership: {table: organization_members, id: id, user: userId, organization: organizationId, role: role}
tables:
  properties:
    event: property.update
    tenant: [organizationId]
    createdBy: createdBy
    columns: [price, description: about]
  clients: {tenant: [organizationId]}
  notes:
    event: data.sync
    entity: note
    tenant: [propertyId: properties, clientId: clients]
    columns: [id, content, propertyId, clientId]
  listings:
    event: property.update
    tenant: [propertyId: properties]
    columns: [price]
    roles: [OWNER, ADMIN]
  photos:
    event: data.sync
    entity: photo
    tenant: [listingId: listings]
    columns: [url]
  rooms:
    event: property.update
    part: propertyId
    tenant: [propertyId: properties]
    columns: [label]
`

var (
	properties = relation(11, "properties", text("id"), text("organizationId"), orgcast.Column{Name: "price", TypeOID: oidNumeric}, text("description"), text("createdBy"), text("secret"))
	clients    = relation(12, "clients", text("id"), text("organizationId"))
	notes      = relation(13, "notes", text("id"), text("propertyId"), text("clientId"), text("content"))
	listings   = relation(14, "listings", text("id"), text("propertyId"), orgcast.Column{Name: "price", TypeOID: oidNumeric})
	photos     = relation(15, "photos", text("id"), text("listingId"), text("url"))
	orgs       = relation(16, "organizations", text("id"), text("name"))
	memberRows = relation(17, "organization_members", text("id"), text("userId"), text("organizationId"), text("role"))
	rooms      = relation(19, "rooms", text("id"), text("propertyId"), text("label"))
	unmapped   = relation(18, "users", text("id"), text("password"))
)

// tester is what is common to *testing.T and *rapid.T.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

// world routes transactions as the feed does, and writes down what comes of
// them.
type world struct {
	tb             tester
	router         *Router
	decoder, scout *pgoutput.Decoder
	classes        map[uint32]Class
	relations      []*orgcast.Relation
	withheld       []string
	out            Output
	lsn            orgcast.LSN
}

func newWorld(tb tester, rules string, m Members, relations ...*orgcast.Relation) *world {
	tb.Helper()
	parsed, err := ParseRules([]byte(rules))
	if err != nil {
		tb.Fatal(err)
	}
	w := &world{tb: tb, relations: relations, classes: map[uint32]Class{}, decoder: pgoutput.NewDecoder(), scout: pgoutput.NewDecoder(), lsn: 0x1000}
	w.router = New(parsed, m, Hooks{
		Withheld: func(table string, reason Reason) {
			w.withheld = append(w.withheld, fmt.Sprintf("withheld %s %s", strings.TrimPrefix(table, "public."), reason))
		},
		Refused: func(reason publish.Reason, problems []publish.Problem) {
			w.withheld = append(w.withheld, fmt.Sprintf("refused %s: %v", reason, problems))
		},
	})
	return w
}

func smallWorld(tb tester, m Members) *world {
	return newWorld(tb, smallRules, m, properties, clients, notes, listings, photos, rooms, orgs, memberRows, unmapped)
}

var commitTime = time.Date(2025, 11, 23, 7, 21, 14, 0, time.UTC)

// commit routes one transaction. Its output is good until the next.
func (w *world) commit(frames ...[]byte) *Output {
	w.tb.Helper()
	w.lsn += 0x100
	tx := orgcast.Transaction{XID: 7, CommitLSN: w.lsn, EndLSN: w.lsn + 8, CommitTime: commitTime}
	var described [][]byte
	for _, r := range w.relations {
		described = append(described, pgoutputtest.Relation(r))
	}
	w.relations = nil
	all := pgoutputtest.Transaction(tx, append(described, frames...)...)
	w.withheld = nil
	w.look(all)
	w.out.Reset()
	for _, frame := range all {
		m, err := w.decoder.Decode(slices.Clone(frame))
		switch {
		case err != nil:
			w.tb.Fatal(err)
		case m.Kind == pgoutput.KindBegin:
			w.router.Begin(m.Transaction, 1)
		case m.Change != nil:
			w.router.Route(m.Change, &w.out)
		}
	}
	w.router.Commit(&w.out)
	for i := range w.out.Events {
		w.checkFrame(&w.out.Events[i])
		if i > 0 && w.out.Events[i].Cursor.Compare(w.out.Events[i-1].Cursor) <= 0 {
			w.tb.Fatalf("cursor %v after %v", w.out.Events[i].Cursor, w.out.Events[i-1].Cursor)
		}
	}
	return &w.out
}

// look goes through a transaction beforehand, as the feed does.
func (w *world) look(frames [][]byte) {
	childSeen := false
	for _, frame := range frames {
		kind, oid := pgoutput.Peek(frame)
		class := w.classes[oid]
		switch {
		case kind == pgoutput.KindDelete, kind == pgoutput.KindMessage, kind == pgoutput.KindTruncate && !childSeen:
			continue
		case (kind == pgoutput.KindInsert || kind == pgoutput.KindUpdate) && (class&ClassParent == 0 || !childSeen):
			childSeen = childSeen || class&ClassChild != 0
			continue
		}
		m, err := w.scout.Decode(frame)
		if err != nil {
			w.tb.Fatal(err)
		}
		switch {
		case m.Relation != nil:
			w.classes[m.Relation.OID] = w.router.Class(m.Relation)
		case m.Change != nil:
			w.router.Scan(m.Change)
		}
	}
}

// checkFrame holds what every frame must be: one id line, one data line of
// valid JSON, and of the organization that it is logged for.
func (w *world) checkFrame(e *orgcast.Event) {
	w.tb.Helper()
	id, rest, ok := strings.Cut(string(e.Frame), "\n")
	data, end, ok2 := strings.Cut(rest, "\n")
	body, isData := strings.CutPrefix(data, "data: ")
	if !ok || !ok2 || !isData || end != "\n" || id != "id: "+e.Cursor.String() {
		w.tb.Fatalf("malformed frame %q of %v", e.Frame, e.Cursor)
	}
	if strings.ContainsAny(body, "\r\x00") || !json.Valid([]byte(body)) {
		w.tb.Fatalf("data is no JSON line: %q", body)
	}
	if e.Kind == orgcast.KindReset {
		return
	}
	var envelope struct {
		ID, Type, OrganizationID, Source, Version string
		Timestamp                                 int64
	}
	if err := json.Unmarshal([]byte(body), &envelope); err != nil {
		w.tb.Fatal(err)
	}
	want := envelope
	want.ID, want.Type, want.OrganizationID = e.Cursor.String(), e.Type.String(), string(e.Organization)
	want.Version, want.Timestamp = "1.0.0", commitTime.UnixMilli()
	if envelope != want || envelope.Source != "postgres" && envelope.Source != "app" {
		w.tb.Fatalf("envelope %+v, want %+v", envelope, want)
	}
}

// lines tells an output as a test reads it: events as "ordinal.sub organization
// type payload", then what was withheld, then what became of memberships.
func (w *world) lines(out *Output) (lines []string) {
	for i := range out.Events {
		e := &out.Events[i]
		head := fmt.Sprintf("%d.%d %s ", e.Cursor.Index/orgcast.SubIndexes, e.Cursor.Index%orgcast.SubIndexes, e.Organization)
		if e.Kind == orgcast.KindReset {
			_, reason, _ := strings.Cut(string(e.Frame), `"reason":"`)
			reason, _, _ = strings.Cut(reason, `"`)
			lines = append(lines, head+"reset "+reason)
			continue
		}
		_, payload, _ := bytes.Cut(e.Frame, []byte(`"payload":`))
		line := head + e.Type.String() + " " + strings.TrimSuffix(string(payload), "}\n\n")
		if bytes.Contains(e.Frame, []byte(`"source":"app"`)) {
			line += " from app"
		}
		if e.Audience.User != "" {
			line += " to " + string(e.Audience.User)
		}
		if len(e.Audience.Users) > 0 {
			line += fmt.Sprintf(" to %q", e.Audience.Users)
		}
		if len(e.Audience.Roles) > 0 {
			line += " for " + strings.Join(e.Audience.Roles, ",")
		}
		lines = append(lines, line)
	}
	lines = append(lines, w.withheld...)
	for _, c := range out.Members {
		line := "member"
		if c.Everybody {
			line += " everybody"
		}
		if c.Before != nil {
			line += fmt.Sprintf(" -%s %s@%s %s", c.Before.Row, c.Before.User, c.Before.Organization, c.Before.Role)
		}
		if c.After != nil {
			line += fmt.Sprintf(" +%s %s@%s %s since %v", c.After.Row, c.After.User, c.After.Organization, c.After.Role, c.After.Since)
		}
		lines = append(lines, line)
	}
	return lines
}

// want compares an output with what a test says of it.
func (w *world) want(out *Output, want ...string) {
	w.tb.Helper()
	if got := w.lines(out); !slices.Equal(got, want) {
		w.tb.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// states tells the state changes of a space as "key=value", "-key" and "-key*".
func states(out *Output, space orgcast.Space) (lines []string) {
	for _, s := range out.States {
		switch {
		case s.Space != space:
		case s.Prefix:
			lines = append(lines, fmt.Sprintf("-%s*", s.Key))
		case s.Value == nil:
			lines = append(lines, fmt.Sprintf("-%s", s.Key))
		default:
			lines = append(lines, fmt.Sprintf("%s=%s", s.Key, s.Value))
		}
	}
	return lines
}

// index tells a router's parents as "table key organization|reason".
func index(r *Router) (lines []string) {
	for _, t := range r.tables {
		if t.rows == nil {
			continue
		}
		for key := range t.rows.all() {
			organization, reason := r.resolveKey(t, []byte(key), atPlace, 0)
			lines = append(lines, fmt.Sprintf("%s %s %s%s", t.name, key, organization, reason))
		}
	}
	slices.Sort(lines)
	return lines
}
