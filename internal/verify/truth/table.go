package truth

import "slices"

// table is what the preset makes of a table's rows.
type table struct {
	name    string
	event   string // property.update, data.sync or user.activity
	entity  string // of a data.sync
	part    bool   // of a property, by propertyId
	parent  bool   // rows of others hang on it
	paths   []path
	columns []column
	roles   []string // who alone may see it; nil is all
}

// path is a column that leads to the row's organization: by itself, or through a
// parent table.
type path struct{ column, parent string }

// column is one that may leave.
type column struct {
	name, wire string
	kind       kind
}

// kind is how a column's text becomes JSON.
type kind byte

const (
	text    kind = iota // and enums
	integer             // as PostgreSQL prints it
	decimal
	boolean
	moment   // timestamp(3)
	document // jsonb
)

// columns reads a list of names, all of a kind.
func columns(k kind, names ...string) (all []column) {
	for _, n := range names {
		all = append(all, column{n, n, k})
	}
	return all
}

// as is a column that has another name on the wire.
func as(name, wire string, k kind) []column { return []column{{name, wire, k}} }

var (
	created  = as("created_at", "createdAt", moment)
	updated  = as("updated_at", "updatedAt", moment)
	direct   = path{"organizationId", ""}
	property = path{"propertyId", "properties"}
	client   = path{"clientId", "clients"}
	bosses   = []string{"ORG_OWNER", "ADMIN"}
)

// tables are those of the preset whose rows become property.update, data.sync
// and user.activity. The tables of organizations and of members are special.
var tables = func() map[string]*table {
	all := map[string]*table{}
	for _, t := range []table{
		{
			name: "properties", event: "property.update", parent: true, paths: []path{direct},
			columns: slices.Concat(
				columns(decimal, "price"), columns(integer, "bedrooms", "bathrooms"), columns(decimal, "size"), columns(integer, "yearBuilt"),
				columns(document, "features"), columns(text, "description", "propertyType", "status", "transactionType", "createdBy"), created, updated),
		},
		{
			name: "addresses", event: "property.update", part: true, paths: []path{property},
			columns: columns(text, "country", "region", "city", "street", "number", "postalCode", "locationText"),
		},
		{
			name: "listings", event: "property.update", part: true, paths: []path{property},
			columns: slices.Concat(columns(decimal, "listPrice"), columns(text, "marketingStatus"), columns(moment, "publishedAt", "archivedAt"), columns(text, "notes")),
		},
		{
			name: "media_assets", event: "property.update", part: true, paths: []path{property},
			columns: slices.Concat(columns(text, "url", "assetType"), columns(boolean, "isPrimary"), columns(integer, "displayOrder"), as("uploaded_at", "uploadedAt", moment)),
		},
		{
			name: "clients", event: "data.sync", entity: "client", parent: true, paths: []path{direct},
			columns: slices.Concat(
				columns(text, "id", "name", "email", "phone", "secondaryEmail", "secondaryPhone"), columns(document, "tags"),
				columns(text, "clientType", "createdBy"), created, updated),
		},
		{
			name: "client_relationships", event: "data.sync", entity: "client_relationship",
			paths:   []path{{"fromClientId", "clients"}, {"toClientId", "clients"}},
			columns: slices.Concat(columns(text, "id", "fromClientId", "toClientId", "relationshipType", "position", "createdBy"), created),
		},
		{
			name: "interactions", event: "data.sync", entity: "interaction", paths: []path{property, client},
			columns: slices.Concat(columns(text, "id", "summary"), columns(moment, "timestamp"), columns(text, "interactionType", "clientId", "propertyId", "createdBy"), created),
		},
		{
			name: "tasks", event: "data.sync", entity: "task", paths: []path{direct, property, client},
			columns: slices.Concat(
				columns(text, "id", "title", "description"), columns(moment, "dueDate"),
				columns(text, "status", "assignedTo", "clientId", "propertyId", "createdBy"), created),
		},
		{
			name: "notes", event: "data.sync", entity: "note", paths: []path{property, client},
			columns: slices.Concat(columns(text, "id", "content", "clientId", "propertyId", "createdBy"), created),
		},
		{
			name: "invitations", event: "data.sync", entity: "invitation", paths: []path{direct}, roles: bosses,
			columns: slices.Concat(
				columns(text, "id", "email", "role", "status"), columns(moment, "expiresAt"), columns(text, "invitedBy"), created, updated),
		},
		{name: "activities", event: "user.activity", paths: []path{direct}},
	} {
		all[t.name] = &t
	}
	return all
}()

// channelOf is each type's channel.
var channelOf = map[string]string{
	"user.activity": "user", "property.update": "property", "member.join": "organization", "member.leave": "organization",
	"organization.change": "organization", "notification.new": "notifications", "system.alert": "system", "data.sync": "organization",
}
