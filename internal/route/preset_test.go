package route

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/pgoutput/pgoutputtest"
	"github.com/oikion/orgcast/internal/publish"
)

// oikion is the first application's tables, whole but for properties, whose
// columns of interest here are few; types are text where it makes no difference.
type oikion struct {
	*world
	organizations, members, invitations, activities, properties, addresses, listings, media,
	clients, relationships, interactions, tasks, notes *orgcast.Relation
}

func texts(names ...string) (columns []orgcast.Column) {
	for _, n := range names {
		columns = append(columns, text(n))
	}
	return columns
}

// newOikion routes by a rule file; a of p1 and c1, b of p2 and c2; u1 is an
// ORG_OWNER of a, u2 an AGENT of a.
func newOikion(t *testing.T, rules string) *oikion {
	t.Helper()
	at := func(name string) orgcast.Column { return orgcast.Column{Name: name, TypeOID: oidTimestamp} }
	o := &oikion{
		organizations: relation(21, "organizations", text("id"), text("name"), at("created_at"), at("updated_at"), orgcast.Column{Name: "isPersonal", TypeOID: oidBool}, text("plan")),
		members:       relation(2, "organization_members", texts("id", "userId", "organizationId", "role")...),
		invitations: relation(3, "invitations", text("id"), text("email"), text("role"), text("token"), text("status"), at("expiresAt"),
			text("organizationId"), text("invitedBy"), at("created_at"), at("updated_at")),
		activities: relation(4, "activities", text("id"), text("entityId"), orgcast.Column{Name: "payload", TypeOID: oidJSONB}, at("created_at"),
			text("organizationId"), text("actorId"), text("actionType"), text("entityType")),
		properties: propertiesRelation,
		addresses:  relation(6, "addresses", texts("id", "country", "region", "city", "street", "number", "postalCode", "locationText", "propertyId")...),
		listings: relation(7, "listings", text("id"), orgcast.Column{Name: "listPrice", TypeOID: oidNumeric}, at("publishedAt"), at("archivedAt"), text("notes"),
			text("propertyId"), text("marketingStatus")),
		media: relation(8, "media_assets", text("id"), text("url"), orgcast.Column{Name: "isPrimary", TypeOID: oidBool}, orgcast.Column{Name: "displayOrder", TypeOID: oidInt4},
			at("uploaded_at"), text("propertyId"), text("assetType")),
		clients: relation(9, "clients", text("id"), text("name"), text("email"), text("phone"), text("secondaryEmail"), text("secondaryPhone"),
			orgcast.Column{Name: "tags", TypeOID: oidJSONB}, at("created_at"), at("updated_at"), text("organizationId"), text("createdBy"), text("clientType")),
		relationships: relation(10, "client_relationships", text("id"), text("fromClientId"), text("toClientId"), text("position"), at("created_at"), text("createdBy"), text("relationshipType")),
		interactions:  relation(11, "interactions", text("id"), text("summary"), at("timestamp"), at("created_at"), text("clientId"), text("propertyId"), text("createdBy"), text("interactionType")),
		tasks: relation(12, "tasks", text("id"), text("title"), text("description"), at("dueDate"), at("created_at"), text("organizationId"), text("assignedTo"),
			text("createdBy"), text("clientId"), text("propertyId"), text("status")),
		notes: relation(13, "notes", text("id"), text("content"), at("created_at"), text("clientId"), text("propertyId"), text("createdBy")),
	}
	o.world = newWorld(t, rules, members{"u1@a": 0x77, "u2@a": 0x77, "u3@b": 0x77}, o.organizations, o.members, o.invitations, o.activities, o.properties,
		o.addresses, o.listings, o.media, o.clients, o.relationships, o.interactions, o.tasks, o.notes)
	o.commit(
		insert(o.organizations, row{"a", "Acme", noon, noon, "f", "FREE"}), insert(o.organizations, row{"b", "Bee", noon, noon, "f", "FREE"}),
		insert(o.properties, property("p1", "a")), insert(o.properties, property("p2", "b")), insert(o.properties, property("p3", "a")),
		insert(o.clients, aClient("c1", "a", "Ada")), insert(o.clients, aClient("c2", "b", "Bob")), insert(o.clients, aClient("c3", "a", "Cy")),
		insert(o.listings, listing("l1", "p1", "9", "ACTIVE", nil)),
	)
	return o
}

const noon = "2025-11-23 12:00:00"

func property(id, organization string) row {
	return row{id, "1", nil, nil, nil, nil, nil, nil, noon, noon, organization, "u1", "HOUSE", "AVAILABLE", "SALE"}
}

func aClient(id, organization, name string) row {
	return row{id, name, nil, nil, nil, nil, `["vip"]`, noon, noon, organization, "u1", "PERSON"}
}

func aNote(id string, client, property any) row {
	return row{id, "hi", noon, client, property, "u3"}
}

func listing(id string, property any, price, status string, archived any) row {
	return row{id, price, nil, archived, "call first", property, status}
}

func task(id, title, organization string, assignee, client, property any) row {
	return row{id, title, nil, nil, noon, organization, assignee, "u1", client, property, "PENDING"}
}

func said(content string) []byte { return pgoutputtest.Message(true, 1, publish.Prefix, content) }

func TestThePresetInOneTransaction(t *testing.T) {
	preset, err := presets.ReadFile("preset/oikion.yaml")
	if err != nil {
		t.Fatal(err)
	}
	acme := row{"a", "Acme", noon, noon, "f", "FREE"}
	l1 := listing("l1", "p1", "9", "ACTIVE", nil)
	taskOf := func(operation string, id, title string, assignee string) string {
		return `data.sync {"entityType":"task","entityId":"` + id + `","operation":"` + operation + `","data":{"id":"` + id + `","title":"` + title +
			`","description":null,"dueDate":null,"status":"PENDING","assignedTo":` + assignee + `,"clientId":null,"propertyId":null,"createdBy":"u1","createdAt":"2025-11-23T12:00:00.000Z"}}`
	}
	dee := func(at, id string) string {
		return at + ` data.sync {"entityType":"client","entityId":"` + id + `","operation":"create","data":{"id":"` + id + `","name":"Dee","email":null,"phone":null,"secondaryEmail":null,"secondaryPhone":null,` +
			`"tags":["vip"],"clientType":"PERSON","createdBy":"u1","createdAt":"2025-11-23T12:00:00.000Z","updatedAt":"2025-11-23T12:00:00.000Z"}}`
	}
	noteOf := func(at, id, client, property string) string {
		return at + ` data.sync {"entityType":"note","entityId":"` + id + `","operation":"create","data":{"id":"` + id + `","content":"hi","clientId":` + client + `,"propertyId":` + property +
			`,"createdBy":"u3","createdAt":"2025-11-23T12:00:00.000Z"}}`
	}
	noClients := func(at string) string {
		return at + ` * data.sync {"entityType":"client","entityId":"*","operation":"delete","data":null}`
	}
	for _, test := range []struct {
		name string
		rows func(o *oikion) rows
		want []string
	}{
		// organization.change
		{"an organization's name", func(o *oikion) rows {
			return rows{actor(`{"userId":"u1"}`), update(o.organizations, row{"a", "Acme 2", noon, "2025-11-23 13:00:00", "f", "FREE"}, acme)}
		}, []string{`1.0 a organization.change {"organizationId":"a","changeType":"name","changes":{"name":{"new":"Acme 2","old":"Acme"}},"updatedBy":"u1"}`}},
		{"one event per kind, each at its own place", func(o *oikion) rows {
			return rows{update(o.organizations, row{"a", "Acme 2", noon, noon, "t", "STARTER"}, acme), update(o.organizations, row{"a", "Acme 2", noon, noon, "t", "FREE"}, row{"a", "Acme 2", noon, noon, "t", "STARTER"})}
		}, []string{
			`0.0 a organization.change {"organizationId":"a","changeType":"name","changes":{"name":{"new":"Acme 2","old":"Acme"}},"updatedBy":null}`,
			`0.1 a organization.change {"organizationId":"a","changeType":"settings","changes":{"isPersonal":{"new":true,"old":false}},"updatedBy":null}`,
			`0.2 a organization.change {"organizationId":"a","changeType":"billing","changes":{"plan":{"new":"STARTER","old":"FREE"}},"updatedBy":null} for ORG_OWNER,ADMIN`,
			`1.2 a organization.change {"organizationId":"a","changeType":"billing","changes":{"plan":{"new":"FREE","old":"STARTER"}},"updatedBy":null} for ORG_OWNER,ADMIN`}},
		{"an organization comes, is touched, goes", func(o *oikion) rows {
			return rows{insert(o.organizations, row{"z", "Zed", noon, noon, "f", "FREE"}),
				update(o.organizations, row{"z", "Zed", noon, "2025-11-23 13:00:00", "f", "FREE"}, row{"z", "Zed", noon, noon, "f", "FREE"}),
				remove(o.organizations, row{"z", "Zed", noon, noon, "f", "FREE"})}
		}, nil},
		{"an organization without its old version", func(o *oikion) rows { return rows{update(o.organizations, acme, nil)} }, []string{"withheld organizations no_old_row"}},

		// user.activity
		{"an activity", func(o *oikion) rows {
			return rows{insert(o.activities, row{"y1", "p1", `{"secret": 1}`, noon, "a", "u2", "PROPERTY_CREATED", "PROPERTY"})}
		}, []string{`0.0 a user.activity {"userId":"u2","action":"PROPERTY_CREATED","resource":"PROPERTY:p1"}`}},
		{"an activity is told once", func(o *oikion) rows {
			y := row{"y1", "p1", nil, noon, "a", "u2", "PROPERTY_CREATED", "PROPERTY"}
			return rows{update(o.activities, row{"y1", "p2", nil, noon, "b", "u2", "NOTE_ADDED", "PROPERTY"}, y), remove(o.activities, y), truncate(o.activities)}
		}, nil},
		{"an activity of nobody", func(o *oikion) rows {
			return rows{insert(o.activities, row{"y1", "p1", nil, noon, "a", nil, "NOTE_ADDED", "PROPERTY"})}
		}, []string{"withheld activities value_null"}},

		// The parts of a property.
		{"a new part", func(o *oikion) rows {
			return rows{insert(o.media, row{"m1", "http://x", "t", "3", noon, "p1", "IMAGE"})}
		}, []string{`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"update",` +
			`"updatedFields":["media_assets.url","media_assets.assetType","media_assets.isPrimary","media_assets.displayOrder","media_assets.uploadedAt"],"changes":{"media_assets.m1":{` +
			`"url":{"new":"http://x"},"assetType":{"new":"IMAGE"},"isPrimary":{"new":true},"displayOrder":{"new":3},"uploadedAt":{"new":"2025-11-23T12:00:00.000Z"}}},"updatedBy":null}`}},
		{"a new part that is archived already", func(o *oikion) rows { return rows{insert(o.listings, listing("l2", "p3", "7", "ARCHIVED", noon))} }, []string{
			`0.0 a property.update {"propertyId":"p3","organizationId":"a","operation":"update",` +
				`"updatedFields":["listings.listPrice","listings.marketingStatus","listings.publishedAt","listings.archivedAt","listings.notes"],"changes":{"listings.l2":{` +
				`"listPrice":{"new":"7"},"marketingStatus":{"new":"ARCHIVED"},"publishedAt":{"new":null},"archivedAt":{"new":"2025-11-23T12:00:00.000Z"},"notes":{"new":"call first"}}},"updatedBy":null}`}},
		{"a part is changed", func(o *oikion) rows {
			return rows{actor(`{"userId":"u2"}`), update(o.listings, listing("l1", "p1", "8.50", "ACTIVE", nil), l1)}
		}, []string{`1.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"update","updatedFields":["listings.listPrice"],"changes":{"listings.l1":{"listPrice":{"new":"8.5","old":"9"}}},"updatedBy":"u2"}`}},
		{"a part's status archives", func(o *oikion) rows { return rows{update(o.listings, listing("l1", "p1", "9", "ARCHIVED", nil), l1)} }, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"archive","updatedFields":["listings.marketingStatus"],"changes":{"listings.l1":{"marketingStatus":{"new":"ARCHIVED","old":"ACTIVE"}}},"updatedBy":null}`}},
		{"a part's time archives", func(o *oikion) rows { return rows{update(o.listings, listing("l1", "p1", "9", "ACTIVE", noon), l1)} }, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"archive","updatedFields":["listings.archivedAt"],"changes":{"listings.l1":{"archivedAt":{"new":"2025-11-23T12:00:00.000Z","old":null}}},"updatedBy":null}`}},
		{"what was archived, and is shown again", func(o *oikion) rows {
			gone := listing("l1", "p1", "9", "ARCHIVED", noon)
			return rows{update(o.listings, listing("l1", "p1", "8", "ARCHIVED", noon), gone), update(o.listings, l1, gone)}
		}, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"update","updatedFields":["listings.listPrice"],"changes":{"listings.l1":{"listPrice":{"new":"8","old":"9"}}},"updatedBy":null}`,
			`1.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"update","updatedFields":["listings.marketingStatus","listings.archivedAt"],"changes":{"listings.l1":{"marketingStatus":{"new":"ACTIVE","old":"ARCHIVED"},"archivedAt":{"new":null,"old":"2025-11-23T12:00:00.000Z"}}},"updatedBy":null}`}},
		{"a part is deleted", func(o *oikion) rows { return rows{remove(o.listings, l1)} }, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"update","updatedFields":["listings"],"changes":{"listings.l1":{"new":null}},"updatedBy":null}`}},
		{"a part is deleted with its property, after it", func(o *oikion) rows { return rows{remove(o.properties, property("p1", "a")), remove(o.listings, l1)} }, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"delete","updatedBy":null}`}},
		{"a part is deleted with its property, before it", func(o *oikion) rows { return rows{remove(o.listings, l1), remove(o.properties, property("p1", "a"))} }, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"update","updatedFields":["listings"],"changes":{"listings.l1":{"new":null}},"updatedBy":null}`,
			`1.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"delete","updatedBy":null}`}},
		{"a part moves within its organization", func(o *oikion) rows { return rows{update(o.listings, listing("l1", "p3", "9", "ACTIVE", nil), l1)} }, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"update","updatedFields":["listings"],"changes":{"listings.l1":{"new":null}},"updatedBy":null}`,
			`0.1 a property.update {"propertyId":"p3","organizationId":"a","operation":"update","updatedFields":["listings.listPrice","listings.marketingStatus","listings.publishedAt","listings.archivedAt","listings.notes"],` +
				`"changes":{"listings.l1":{"listPrice":{"new":"9"},"marketingStatus":{"new":"ACTIVE"},"publishedAt":{"new":null},"archivedAt":{"new":null},"notes":{"new":"call first"}}},"updatedBy":null}`}},
		{"a part moves to another organization's property", func(o *oikion) rows { return rows{update(o.listings, listing("l1", "p2", "9", "ACTIVE", nil), l1)} }, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"update","updatedFields":["listings"],"changes":{"listings.l1":{"new":null}},"updatedBy":null}`,
			`0.1 b property.update {"propertyId":"p2","organizationId":"b","operation":"update","updatedFields":["listings.listPrice","listings.marketingStatus","listings.publishedAt","listings.archivedAt","listings.notes"],` +
				`"changes":{"listings.l1":{"listPrice":{"new":"9"},"marketingStatus":{"new":"ACTIVE"},"publishedAt":{"new":null},"archivedAt":{"new":null},"notes":{"new":"call first"}}},"updatedBy":null}`}},
		{"another key of a property, with its part", func(o *oikion) rows {
			return rows{update(o.properties, property("p9", "a"), property("p1", "a")), update(o.addresses, row{"d1", "GR", nil, "X", nil, nil, nil, nil, "p9"}, row{"d1", "GR", nil, "X", nil, nil, nil, nil, "p1"})}
		}, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"delete","updatedBy":null}`,
			`0.1 a property.update {"propertyId":"p9","organizationId":"a","operation":"create","changes":{"price":{"new":"1"},"bedrooms":{"new":null},"bathrooms":{"new":null},"size":{"new":null},"yearBuilt":{"new":null},` +
				`"features":{"new":null},"description":{"new":null},"propertyType":{"new":"HOUSE"},"status":{"new":"AVAILABLE"},"transactionType":{"new":"SALE"},"createdBy":{"new":"u1"},` +
				`"createdAt":{"new":"2025-11-23T12:00:00.000Z"},"updatedAt":{"new":"2025-11-23T12:00:00.000Z"}},"updatedBy":"u1"}`,
			`1.1 a property.update {"propertyId":"p9","organizationId":"a","operation":"update","updatedFields":["addresses.country","addresses.region","addresses.city","addresses.street","addresses.number","addresses.postalCode","addresses.locationText"],` +
				`"changes":{"addresses.d1":{"country":{"new":"GR"},"region":{"new":null},"city":{"new":"X"},"street":{"new":null},"number":{"new":null},"postalCode":{"new":null},"locationText":{"new":null}}},"updatedBy":null}`}},
		{"too large a part", func(o *oikion) rows {
			return rows{update(o.listings, row{"l1", "9", nil, nil, strings.Repeat("x", MaxFrame), "p1", "ACTIVE"}, l1)}
		}, []string{`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"update","updatedFields":["listings.notes"],"changes":{"listings.l1":{}},"updatedBy":null},"truncated":true`}},
		{"truncate parts alone", func(o *oikion) rows { return rows{truncate(o.listings)} }, []string{
			`0.0 * data.sync {"entityType":"listings","entityId":"*","operation":"delete","data":null}`}},
		{"truncate parts with their properties", func(o *oikion) rows { return rows{truncate(o.listings, o.addresses, o.properties)} }, []string{
			`0.0 * data.sync {"entityType":"property","entityId":"*","operation":"delete","data":null}`}},

		{"truncate parents behind a row that hangs on others", func(o *oikion) rows {
			return rows{insert(o.notes, aNote("n1", nil, "p2")), truncate(o.clients)}
		}, []string{noteOf("0.0 b", "n1", "null", `"p2"`), noClients("1.0")}},
		{"truncate parents behind a row that hangs on them", func(o *oikion) rows {
			return rows{insert(o.notes, aNote("n1", "c1", nil)), truncate(o.clients)}
		}, []string{noteOf("0.0 a", "n1", `"c1"`, "null"), noClients("1.0"), "1.1 * reset moved"}},
		{"truncate parents of which one has a deleted one's key, and on which nothing hangs", func(o *oikion) rows {
			return rows{remove(o.clients, aClient("c1", "a", "Dee")), insert(o.clients, aClient("c1", "a", "Dee")), truncate(o.clients),
				insert(o.notes, aNote("n1", nil, "p2")), truncate(o.clients)}
		}, []string{
			`0.0 a data.sync {"entityType":"client","entityId":"c1","operation":"delete","data":null}`,
			dee("1.0 a", "c1"), noClients("2.0"), noteOf("3.0 b", "n1", "null", `"p2"`), noClients("4.0")}},
		{"truncate parents, and a row comes before the parent that it hangs on", func(o *oikion) rows {
			return rows{insert(o.notes, aNote("n1", nil, "p2")), truncate(o.clients), insert(o.notes, aNote("n2", "c9", nil)), insert(o.clients, aClient("c9", "a", "Dee"))}
		}, []string{noteOf("0.0 b", "n1", "null", `"p2"`), noClients("1.0"), dee("3.0 a", "c9"), "3.7 * reset moved", "withheld notes parent_moved"}},
		{"the same again, behind messages", func(o *oikion) rows {
			return rows{insert(o.notes, aNote("n1", nil, "p2")), truncate(o.clients), insert(o.notes, aNote("n2", "c9", nil)), actor(`{"userId":"u1"}`),
				said(`{"payload":{"affectedUsers":["u1","u2"],"message":"down","alertType":"error"},"organizationId":"a","type":"system.alert"}`),
				insert(o.notes, aNote("n3", "c9", nil)), insert(o.clients, aClient("c9", "a", "Dee"))}
		}, []string{noteOf("0.0 b", "n1", "null", `"p2"`), noClients("1.0"),
			`4.0 a system.alert {"alertType":"error","message":"down","affectedUsers":["u1","u2"]} from app to ["u1" "u2"]`,
			dee("6.0 a", "c9"), "6.7 * reset moved", "withheld notes parent_moved", "withheld notes parent_moved"}},
		{"truncate parents, and one comes again as another's, with the rows that hang on it", func(o *oikion) rows {
			return rows{truncate(o.clients), insert(o.clients, aClient("c1", "b", "Dee"))}
		}, []string{noClients("0.0"), dee("1.0 b", "c1"), "1.7 * reset moved"}},

		// data.sync
		{"a client", func(o *oikion) rows { return rows{insert(o.clients, aClient("c9", "a", "Dee"))} }, []string{dee("0.0 a", "c9")}},
		{"a relationship of two clients", func(o *oikion) rows {
			return rows{insert(o.relationships, row{"r1", "c1", "c3", "CEO", noon, "u1", "PARTNER"}), remove(o.relationships, row{"r1", "c1", "c3", "CEO", noon, "u1", "PARTNER"})}
		}, []string{
			`0.0 a data.sync {"entityType":"client_relationship","entityId":"r1","operation":"create","data":{"id":"r1","fromClientId":"c1","toClientId":"c3","relationshipType":"PARTNER","position":"CEO","createdBy":"u1","createdAt":"2025-11-23T12:00:00.000Z"}}`,
			`1.0 a data.sync {"entityType":"client_relationship","entityId":"r1","operation":"delete","data":null}`}},
		{"a relationship across organizations", func(o *oikion) rows {
			return rows{insert(o.relationships, row{"r1", "c1", "c2", "CEO", noon, "u1", "PARTNER"})}
		}, []string{"withheld client_relationships tenants_disagree"}},
		{"an interaction", func(o *oikion) rows {
			return rows{insert(o.interactions, row{"i1", "rang", noon, noon, "c1", nil, "u1", "CALL"})}
		}, []string{`0.0 a data.sync {"entityType":"interaction","entityId":"i1","operation":"create","data":{"id":"i1","summary":"rang","timestamp":"2025-11-23T12:00:00.000Z","interactionType":"CALL","clientId":"c1","propertyId":null,"createdBy":"u1","createdAt":"2025-11-23T12:00:00.000Z"}}`}},
		{"a note", func(o *oikion) rows { return rows{insert(o.notes, row{"n1", "hi", noon, nil, "p2", "u3"})} }, []string{
			`0.0 b data.sync {"entityType":"note","entityId":"n1","operation":"create","data":{"id":"n1","content":"hi","clientId":null,"propertyId":"p2","createdBy":"u3","createdAt":"2025-11-23T12:00:00.000Z"}}`}},
		{"an invitation, without its token", func(o *oikion) rows {
			return rows{insert(o.invitations, row{"v1", "x@y", "AGENT", "t0ken", "PENDING", noon, "a", "u1", noon, noon})}
		}, []string{`0.0 a data.sync {"entityType":"invitation","entityId":"v1","operation":"create","data":{"id":"v1","email":"x@y","role":"AGENT","status":"PENDING","expiresAt":"2025-11-23T12:00:00.000Z",` +
			`"invitedBy":"u1","createdAt":"2025-11-23T12:00:00.000Z","updatedAt":"2025-11-23T12:00:00.000Z"}} for ORG_OWNER,ADMIN`}},
		{"an invitation's token alone", func(o *oikion) rows {
			return rows{update(o.invitations, row{"v1", "x@y", "AGENT", "new", "PENDING", noon, "a", "u1", noon, noon}, row{"v1", "x@y", "AGENT", "old", "PENDING", noon, "a", "u1", noon, noon})}
		}, nil},
		{"a task of another organization's client", func(o *oikion) rows { return rows{insert(o.tasks, task("t1", "Call", "a", "u2", "c2", nil))} }, []string{"withheld tasks tenants_disagree"}},
		{"a task whose paths all agree", func(o *oikion) rows { return rows{remove(o.tasks, task("t1", "Call", "a", "u2", "c1", "p1"))} }, []string{
			`0.0 a data.sync {"entityType":"task","entityId":"t1","operation":"delete","data":null}`}},

		// A task newly assigned.
		{"a task for somebody", func(o *oikion) rows { return rows{insert(o.tasks, task("t1", "Call <b>", "a", "u2", nil, nil))} }, []string{
			"0.0 a " + strings.Replace(taskOf("create", "t1", "Call <b>", `"u2"`), "<", `\u003c`, 1),
			`0.6 a notification.new {"userId":"u2","title":"Call \u003cb>","message":"","priority":"medium","category":"task"} to u2`}},
		{"a task for somebody else", func(o *oikion) rows {
			return rows{update(o.tasks, task("t1", "Call", "a", "u1", nil, nil), task("t1", "Call", "a", "u2", nil, nil))}
		}, []string{
			"0.0 a " + taskOf("update", "t1", "Call", `"u1"`),
			`0.6 a notification.new {"userId":"u1","title":"Call","message":"","priority":"medium","category":"task"} to u1`}},
		{"a task for the same, for nobody, for nobody at first", func(o *oikion) rows {
			return rows{update(o.tasks, task("t1", "Ring", "a", "u2", nil, nil), task("t1", "Call", "a", "u2", nil, nil)),
				update(o.tasks, task("t1", "Ring", "a", nil, nil, nil), task("t1", "Ring", "a", "u2", nil, nil)), insert(o.tasks, task("t2", "Go", "a", nil, nil, nil))}
		}, []string{
			"0.0 a " + taskOf("update", "t1", "Ring", `"u2"`), "1.0 a " + taskOf("update", "t1", "Ring", `null`), "2.0 a " + taskOf("create", "t2", "Go", `null`)}},
		{"a task for another organization's member", func(o *oikion) rows { return rows{insert(o.tasks, task("t1", "Call", "a", "u3", nil, nil))} }, []string{
			"0.0 a " + taskOf("create", "t1", "Call", `"u3"`), "withheld tasks not_a_member"}},
		{"a task for who joins and leaves in the transaction", func(o *oikion) rows {
			m := row{"m9", "u3", "a", "AGENT"}
			return rows{insert(o.members, m), insert(o.tasks, task("t1", "Call", "a", "u3", nil, nil)), remove(o.members, m), insert(o.tasks, task("t2", "Go", "a", "u3", nil, nil))}
		}, []string{
			`0.0 a member.join {"memberId":"m9","userId":"u3","organizationId":"a","role":"AGENT","invitedBy":null}`,
			"1.0 a " + taskOf("create", "t1", "Call", `"u3"`),
			`1.6 a notification.new {"userId":"u3","title":"Call","message":"","priority":"medium","category":"task"} to u3`,
			`2.0 a member.leave {"memberId":"m9","userId":"u3","organizationId":"a"}`,
			"3.0 a " + taskOf("create", "t2", "Go", `"u3"`),
			"withheld tasks not_a_member",
			"member +m9 u3@a AGENT since 0/1200", "member -m9 u3@a AGENT"}},
		{"a task after the memberships are truncated", func(o *oikion) rows {
			return rows{truncate(o.members), insert(o.tasks, task("t1", "Call", "a", "u2", nil, nil))}
		}, []string{"1.0 a " + taskOf("create", "t1", "Call", `"u2"`), "withheld tasks not_a_member", "member everybody"}},
		{"too long a title", func(o *oikion) rows {
			return rows{insert(o.tasks, task("t1", strings.Repeat("x", MaxFrame), "a", "u2", nil, nil))}
		}, []string{
			`0.0 a data.sync {"entityType":"task","entityId":"t1","operation":"create","data":{"id":"t1"}},"truncated":true`,
			`0.6 a notification.new {"userId":"u2","title":"","message":"","priority":"medium","category":"task"},"truncated":true to u2`}},

		// Published by SQL.
		{"a notification is said", func(o *oikion) rows {
			return rows{said(`{"type":"notification.new","organizationId":"a","payload":{"userId":"u2","title":"Hi","message":"<b>","priority":"high","category":"chat","metadata":{"k":1}}}`)}
		}, []string{`0.0 a notification.new {"userId":"u2","title":"Hi","message":"\u003cb>","priority":"high","category":"chat","metadata":{"k":1}} from app to u2`}},
		{"an alert is said to some", func(o *oikion) rows {
			return rows{said(`{"payload":{"affectedUsers":["u1","u2"],"message":"down","alertType":"error"},"organizationId":"a","type":"system.alert"}`)}
		}, []string{`0.0 a system.alert {"alertType":"error","message":"down","affectedUsers":["u1","u2"]} from app to ["u1" "u2"]`}},
		{"an alert is said to all, between rows of the same type and organization", func(o *oikion) rows {
			return rows{insert(o.tasks, task("t1", "Call", "a", "u2", nil, nil)), said(`{"type":"notification.new","organizationId":"a","payload":{"userId":"u1","title":"Hi","message":"","priority":"low","category":"x"}}`),
				said(`{"type":"system.alert","organizationId":"a","payload":{"alertType":"info","message":"up"}}`)}
		}, []string{
			"0.0 a " + taskOf("create", "t1", "Call", `"u2"`),
			`0.6 a notification.new {"userId":"u2","title":"Call","message":"","priority":"medium","category":"task"} to u2`,
			`1.0 a notification.new {"userId":"u1","title":"Hi","message":"","priority":"low","category":"x"} from app to u1`,
			`2.0 a system.alert {"alertType":"info","message":"up"} from app`}},
		{"to an organization that comes and goes", func(o *oikion) rows {
			z, alert := row{"z", "Zed", noon, noon, "f", "FREE"}, said(`{"type":"system.alert","organizationId":"z","payload":{"alertType":"info","message":"up"}}`)
			return rows{alert, insert(o.organizations, z), alert, remove(o.organizations, z), alert}
		}, []string{`2.0 z system.alert {"alertType":"info","message":"up"} from app`,
			`refused no_such_organization: [event 0: organizationId is no existing organization]`, `refused no_such_organization: [event 0: organizationId is no existing organization]`}},
		{"after the organizations are truncated", func(o *oikion) rows {
			return rows{truncate(o.organizations), said(`{"type":"system.alert","organizationId":"a","payload":{"alertType":"info","message":"up"}}`)}
		}, []string{`refused no_such_organization: [event 0: organizationId is no existing organization]`}},
		{"what may not be said", func(o *oikion) rows {
			return rows{said(`{"type":"system.alert","organizationId":"*","payload":{"alertType":"info","message":"up"}}`),
				said(`{"type":"member.join","organizationId":"a","payload":{"memberId":"m","userId":"u","organizationId":"a","role":"ORG_OWNER","invitedBy":null}}`),
				said(`{"type":"notification.new","organizationId":"a","payload":{"userId":"u3","title":"Hi","message":"","priority":"low","category":"x"}}`),
				said(`no JSON`)}
		}, []string{
			`refused no_such_organization: [event 0: organizationId is no existing organization]`, `refused type_not_allowed: [event 0: type may not be published by SQL: see publish.sql.types]`,
			`refused no_such_member: [event 0: payload.userId is no member of the organization]`, `refused invalid: [event 0 is not JSON in UTF-8]`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := newOikion(t, string(preset))
			o.want(o.commit(test.rows(o)...), test.want...)
		})
	}
}

func TestOnlyTheNamedPathsOfAPayloadLeave(t *testing.T) {
	rules := rulesHead + `tables:
  activities:
    event: user.activity
    tenant: [organizationId]
    roles: [ADMIN]
    activity: {user: actorId, action: actionType, resourceType: entityType, resourceId: entityId, metadata: {column: payload, paths: [title, from.city, from.zip.code, none]}}
`
	for payload, want := range map[string]string{
		`{"title": "A <b>", "other": 1, "from": {"city": "X", "street": "Y", "zip": {"code": 7, "x": 1}}}`: `,"metadata":{"from":{"city":"X","zip":{"code":7}},"title":"A \u003cb>"}`,
		`{"title": null, "from": {"street": "Y"}}`:                                                         `,"metadata":{"title":null}`,
		`{"title": {"deep": [1, {"k": 2}]}, "from": 3}`:                                                    `,"metadata":{"title":{"deep": [1, {"k": 2}]}}`,
		`{"other": 1}`: ``, `["title"]`: ``, `"title"`: ``, `null`: ``,
	} {
		o := newOikion(t, rules)
		o.want(o.commit(insert(o.activities, row{"y1", "p1", payload, noon, "a", "u2", "NOTE_ADDED", "PROPERTY"})),
			`0.0 a user.activity {"userId":"u2","action":"NOTE_ADDED","resource":"PROPERTY:p1"`+want+`} for ADMIN`)
	}
}

// TestAStartKnowsItsOrganizations: what is there is what the log holds, nothing
// that was before.
func TestAStartKnowsItsOrganizations(t *testing.T) {
	preset, err := presets.ReadFile("preset/oikion.yaml")
	if err != nil {
		t.Fatal(err)
	}
	o := newOikion(t, string(preset))
	o.router.Forget()
	if err := o.router.Load(orgcast.SpaceOrganizations, []byte("b"), []byte("Bee")); err != nil {
		t.Fatal(err)
	}
	alert := func(organization string) []byte {
		return said(fmt.Sprintf(`{"type":"system.alert","organizationId":%q,"payload":{"alertType":"info","message":"up"}}`, organization))
	}
	o.want(o.commit(alert("a"), alert("b")), `1.0 b system.alert {"alertType":"info","message":"up"} from app`,
		`refused no_such_organization: [event 0: organizationId is no existing organization]`)
}

func TestWhatMayBeSaidIsTheRules(t *testing.T) {
	for types, want := range map[string][]orgcast.EventType{
		"":                              publish.DefaultSQLTypes(),
		"publish: {sql: {types: []}}\n": {},
		"publish: {sql: {types: [data.sync, system.alert]}}\n": {orgcast.DataSync, orgcast.SystemAlert},
	} {
		rules, err := ParseRules([]byte(rulesHead + types))
		if err != nil {
			t.Fatal(err)
		}
		if got := rules.Publish.SQL.types(); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", types, got, want)
		}
	}
}
