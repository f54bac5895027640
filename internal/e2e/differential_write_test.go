package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// scribe writes random statements, of all tables, of all that can happen to a
// row. Its keys are few, so that most of what it does meets something.
type scribe struct{ *rand.Rand }

// field is a column and how a value of it is drawn.
type field struct {
	name string
	draw func(scribe) string // SQL
}

// written is a table: its keys are the prefix and a number below n.
type written struct {
	name, prefix string
	n            int
	fields       []field
}

func (s scribe) one(of ...string) string { return of[s.IntN(len(of))] }

// id is a key of a table.
func (s scribe) id(prefix string, n int) string { return fmt.Sprintf("'%s%d'", prefix, s.IntN(n)) }

func (s scribe) orNull(v string) string {
	if s.IntN(3) == 0 {
		return "NULL"
	}
	return v
}

var (
	aText = func(s scribe) string {
		return s.one("''", "'plain'", `'"quoted" \ and <b>&amp;</b>'`, "U&'line\\000Aend\\2028\\2029\\0007'", "'Ελληνικά 🏠'", fmt.Sprintf("'text %d'", s.IntN(5)), "repeat('long', 3000)")
	}
	aName    = func(s scribe) string { return s.one("''", "'plain'", `'"quoted" \ and <b>'`) }
	aWord    = func(s scribe) string { return s.orNull(aText(s)) }
	anInt    = func(s scribe) string { return s.orNull(fmt.Sprint(s.IntN(2_000_001) - 1_000_000)) }
	aDecimal = func(s scribe) string {
		return s.one("0", "10", "100.50", "-0.01", "9999999999.99", "'NaN'", fmt.Sprintf("%d.%02d", s.IntN(1000), s.IntN(100)))
	}
	aSize = func(s scribe) string { return s.orNull(s.one("0", "10.10", "99999999.99", "7.00")) }
	aBool = func(s scribe) string { return s.one("true", "false") }
	aTime = func(s scribe) string {
		return s.one("now()", "'2024-02-29 23:59:59.999'", "'2025-01-01 00:00:00'", "'1969-12-31 23:59:59.5'", "'infinity'", "'0044-03-15 00:00:00 BC'", "'12345-01-01'", "'0001-01-01 00:00:00'")
	}
	aMoment = func(s scribe) string { return s.orNull(aTime(s)) }
	aJSON   = func(s scribe) string {
		return s.orNull(s.one("'null'", "'[]'", `'{"b": [1, 2.50, -3e-2], "a": {"y": null, "x": "<\u2028\""}, "": true}'`, `'"text"'`, "'12345678901234567890.10'", `'[[[]], {}]'`))
	}
	anOrganization = func(s scribe) string {
		return s.one("'org_1'", "'org_1'", "'org_1'", "'org_2'", "'org_2'", "'org_3'", "'org_x'", "'org_y'")
	}
	aUser = func(s scribe) string {
		return s.one("'writer'", "'viewer_1'", "'admin_2'", "'guest_0'", "'guest_1'", "'guest_2'")
	}
	someUser  = func(s scribe) string { return s.orNull(aUser(s)) }
	aProp     = func(s scribe) string { return s.id("p", 8) }
	someProp  = func(s scribe) string { return s.orNull(aProp(s)) }
	aClientID = func(s scribe) string { return s.id("c", 8) }
	someone   = func(s scribe) string { return s.orNull(aClientID(s)) }
	of        = func(labels ...string) func(scribe) string {
		return func(s scribe) string { return "'" + s.one(labels...) + "'" }
	}
	aRole = of("ORG_OWNER", "ADMIN", "AGENT", "VIEWER")
)

var writtenTables = []written{
	{"organizations", "org_", 0, []field{{"name", aText}, {"isPersonal", aBool}, {"plan", of("FREE", "STARTER")}, {"updated_at", aTime}}},
	{"properties", "p", 8, []field{
		{"price", aDecimal}, {"bedrooms", anInt}, {"bathrooms", anInt}, {"size", aSize}, {"yearBuilt", anInt}, {"features", aJSON}, {"description", aWord}, {"created_at", aTime}, {"updated_at", aTime},
		{"organizationId", anOrganization}, {"createdBy", aUser}, {"propertyType", of("HOUSE", "LAND")}, {"status", of("SOLD", "AVAILABLE")}, {"transactionType", of("SALE", "RENT")}}},
	{"addresses", "a", 6, []field{{"country", aText}, {"region", aWord}, {"city", aText}, {"street", aWord}, {"number", aWord}, {"postalCode", aWord}, {"locationText", aWord}, {"propertyId", aProp}}},
	{"listings", "l", 6, []field{{"listPrice", aDecimal}, {"publishedAt", aMoment}, {"archivedAt", aMoment}, {"notes", aWord}, {"propertyId", aProp}, {"marketingStatus", of("DRAFT", "ACTIVE", "ARCHIVED")}}},
	{"media_assets", "m", 6, []field{{"url", aText}, {"isPrimary", aBool}, {"displayOrder", anInt}, {"uploaded_at", aTime}, {"propertyId", aProp}, {"assetType", of("IMAGE", "VIDEO")}}},
	{"clients", "c", 8, []field{
		{"name", aText}, {"email", aWord}, {"phone", aWord}, {"secondaryEmail", aWord}, {"secondaryPhone", aWord}, {"tags", aJSON}, {"created_at", aTime}, {"updated_at", aTime},
		{"organizationId", anOrganization}, {"createdBy", aUser}, {"clientType", of("PERSON", "COMPANY")}}},
	{"client_relationships", "r", 6, []field{{"fromClientId", aClientID}, {"toClientId", aClientID}, {"position", aWord}, {"created_at", aTime}, {"createdBy", aUser}, {"relationshipType", of("FAMILY", "OTHER")}}},
	{"interactions", "i", 8, []field{{"summary", aText}, {"timestamp", aTime}, {"created_at", aTime}, {"clientId", someone}, {"propertyId", someProp}, {"createdBy", aUser}, {"interactionType", of("CALL", "EMAIL")}}},
	{"tasks", "t", 8, []field{
		{"title", aText}, {"description", aWord}, {"dueDate", aMoment}, {"created_at", aTime}, {"organizationId", anOrganization}, {"assignedTo", someUser}, {"createdBy", aUser}, {"clientId", someone}, {"propertyId", someProp},
		{"status", of("PENDING", "COMPLETED")}}},
	{"notes", "n", 10, []field{{"content", aText}, {"created_at", aTime}, {"clientId", someone}, {"propertyId", someProp}, {"createdBy", aUser}}},
	{"invitations", "v", 6, []field{
		{"email", aText}, {"role", aRole}, {"token", func(s scribe) string { return "gen_random_uuid()::text" }}, {"status", of("PENDING", "EXPIRED")}, {"expiresAt", aTime}, {"organizationId", anOrganization}, {"invitedBy", aUser},
		{"created_at", aTime}, {"updated_at", aTime}}},
	{"activities", "y", 6, []field{{"entityId", aName}, {"payload", aJSON}, {"organizationId", anOrganization}, {"actorId", aUser}, {"actionType", of("NOTE_ADDED", "MEDIA_ADDED")}, {"entityType", of("TASK", "USER")}}},
	{"organization_members", "w", 8, []field{{"userId", of("writer", "guest_0", "guest_1", "guest_2")}, {"organizationId", anOrganization}, {"role", aRole}, {"joined_at", aTime}}},
}

// key is a row's key. Of organizations only the two that nobody listens to come
// and go.
func (w written) key(s scribe) string {
	if w.n == 0 {
		return s.one("'org_x'", "'org_y'")
	}
	return s.id(w.prefix, w.n)
}

// fill gives every table rows to begin with.
func (s scribe) fill() (all []string) {
	for _, w := range writtenTables {
		ids := []string{"'org_x'", "'org_y'"}
		if w.n > 0 {
			ids = nil
			for i := range w.n {
				ids = append(ids, fmt.Sprintf("'%s%d'", w.prefix, i))
			}
		}
		for _, id := range ids {
			all = append(all, w.insert(s, id)+" ON CONFLICT DO NOTHING")
		}
	}
	return all
}

func (w written) insert(s scribe, id string) string {
	columns, values := []string{"id"}, []string{id}
	for _, f := range w.fields {
		columns, values = append(columns, `"`+f.name+`"`), append(values, f.draw(s))
	}
	return "INSERT INTO " + w.name + " (" + strings.Join(columns, ", ") + ") VALUES (" + strings.Join(values, ", ") + ")"
}

// statement is one statement.
func (s scribe) statement() string {
	switch k := s.IntN(100); {
	case k < 4:
		return "SELECT pg_logical_emit_message(true, 'orgcast.actor', '" + s.one(`{"userId":"writer"}`, `{"userId":"writer"}`, `{"userId":"guest_1"}`, `{"userId":"admin_1"}`, `{"userId":7}`, `nonsense`) + "')"
	case k < 9:
		return "SELECT pg_logical_emit_message(true, 'orgcast', $$" + s.said() + "$$)"
	case k < 10:
		return "SELECT pg_logical_emit_message(" + s.one("true", "false") + ", 'another', 'anything')"
	case k < 11 && s.IntN(2) == 0:
		return "TRUNCATE " + s.one("notes", "notes, tasks", "listings", "listings, addresses, media_assets", "client_relationships, interactions", "invitations", "activities", "properties CASCADE", "clients CASCADE")
	case k < 12:
		return "UPDATE users SET id = " + s.one("'guest_0'", "'guest_1'", "'guest_2'") + " WHERE id = " + s.one("'guest_0'", "'guest_1'", "'guest_2'")
	}
	w := writtenTables[s.IntN(len(writtenTables))]
	switch k := s.IntN(100); {
	case k < 40:
		sql := w.insert(s, w.key(s))
		if s.IntN(2) == 0 {
			var columns []string
			for _, f := range w.fields {
				columns = append(columns, `"`+f.name+`"`)
			}
			sql += " ON CONFLICT (id) DO UPDATE SET (" + strings.Join(columns, ", ") + ") = (excluded." + strings.Join(columns, ", excluded.") + ")"
		}
		return sql
	case k < 85:
		var set []string
		for _, i := range s.Perm(len(w.fields))[:1+s.IntN(min(3, len(w.fields)))] {
			set = append(set, `"`+w.fields[i].name+`" = `+w.fields[i].draw(s))
		}
		where := "id = " + w.key(s)
		switch s.IntN(12) {
		case 0:
			set = append(set, "id = "+w.key(s))
		case 1:
			if w.n > 0 && w.name != "organization_members" {
				where = "id < " + w.key(s) + " AND id LIKE '" + w.prefix + "_'" // several
			}
		}
		if w.n == 0 && s.IntN(2) == 0 {
			where = "id = " + s.one("'org_1'", "'org_2'", "'org_3'")
			if last := len(set) - 1; strings.HasPrefix(set[last], "id ") {
				set = set[:last]
			}
		}
		return "UPDATE " + w.name + " SET " + strings.Join(set, ", ") + " WHERE " + where
	default:
		return "DELETE FROM " + w.name + " WHERE id = " + w.key(s)
	}
}

// said is an event that an application says: a good one, or one that is refused.
func (s scribe) said() string {
	organization := s.one("org_1", "org_2", "org_x", "nowhere", "*")
	metadata := s.one("", "", `,"metadata":{"b":[1,{"z":null}],"a":"<\u2028"}`, `,"metadata":{}`)
	payload := s.one(
		`{"userId":"viewer_1","title":"t\u00e9","message":"","priority":"high","category":"c"`+metadata+`}`,
		`{"userId":"admin_2","title":"title","message":"m","priority":"low","category":"c"`+metadata+`}`,
		`{"userId":"guest_1","title":"title","message":"m","priority":"urgent","category":"c"}`,
		`{"alertType":"info","message":"m"`+metadata+`}`,
		`{"alertType":"error","message":"m","affectedUsers":["viewer_1","admin_2"]`+metadata+`}`,
		`{"alertType":"panic","message":"m"}`,
		`{"alertType":"info"}`,
		`{"alertType":"info","message":"m","message":"twice"}`,
		`{"alertType":"info","message":"m","metadata":{"a":1,"a":2}}`,
		`{"alertType":"info","Message":"m"}`,
		`{"alertType":"info","message":"m","affectedUsers":[]}`,
		`{"userId":"guest_2","title":"","message":"m","priority":"low","category":"c"}`,
		`{"userId":"viewer_1","title":"t","message":"m","priority":"low"}`,
		`{"alertType":"warning","message":null}`,
	)
	typ := "system.alert"
	if strings.Contains(payload, "userId") {
		typ = "notification.new"
	}
	if s.IntN(10) == 0 {
		typ = s.one("member.join", "property.update", "system.alert", "notification.new")
	}
	return fmt.Sprintf(`{"type":%q,"organizationId":%q,"payload":%s}`, typ, organization, payload)
}
