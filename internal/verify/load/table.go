package load

// column is one that a row has besides its key and its parents.
type column struct {
	name, typ string
	draw      func(*writer) any
	fixed     bool // no update changes it
}

// table is one whose rows are inserted, updated and deleted.
type table struct {
	name    string
	percent int    // of Options.Organizations * Options.Keys: how many keys it has
	unique  string // what an upsert's conflict is about
	columns []column
	// parents says where a row's organization comes from, by a FROM clause that
	// finds the parents: none there, no row.
	parents func(w *writer, a *args) parents
}

// parents are the columns that lead to the organization.
type parents struct{ columns, values, from string }

var properties = &table{
	name: "properties", percent: 100, unique: `id`, parents: anOrganization,
	columns: []column{
		{"price", "numeric", amounts, false},
		{"bedrooms", "int", orNull(numbers), false},
		{"bathrooms", "int", orNull(numbers), false},
		{"size", "numeric", orNull(amounts), false},
		{"yearBuilt", "int", orNull(numbers), false},
		{"features", "jsonb", orNull(documents), false},
		{"description", "text", orNull(longs), false},
		{"updated_at", "timestamp(3)", times, false},
		{"createdBy", "text", users, true},
		{"propertyType", `"PropertyType"`, labels("APARTMENT", "HOUSE", "LAND", "COMMERCIAL", "OTHER"), false},
		{"status", `"PropertyStatus"`, labels("AVAILABLE", "UNDER_OFFER", "SOLD", "RENTED"), false},
		{"transactionType", `"TransactionType"`, labels("SALE", "RENT", "LEASE"), false},
	},
}

var addresses = &table{
	name: "addresses", percent: 50, unique: `"propertyId"`, parents: aProperty,
	columns: []column{
		{"region", "text", orNull(texts), false},
		{"city", "text", texts, false},
		{"street", "text", orNull(texts), false},
		{"number", "text", orNull(texts), false},
		{"postalCode", "text", orNull(texts), false},
		{"locationText", "text", orNull(texts), false},
	},
}

var listings = &table{
	name: "listings", percent: 50, unique: `"propertyId"`, parents: aProperty,
	columns: []column{
		{"listPrice", "numeric", amounts, false},
		{"publishedAt", "timestamp(3)", orNull(times), false},
		{"archivedAt", "timestamp(3)", orNull(times), false},
		{"notes", "text", orNull(longs), false},
		{"marketingStatus", `"MarketingStatus"`, labels("DRAFT", "ACTIVE", "ARCHIVED"), false},
	},
}

var mediaAssets = &table{
	name: "media_assets", percent: 150, unique: `id`, parents: aProperty,
	columns: []column{
		{"url", "text", texts, false},
		{"isPrimary", "bool", bools, false},
		{"displayOrder", "int", orNull(numbers), false},
		{"assetType", `"AssetType"`, labels("IMAGE", "VIDEO"), false},
	},
}

var clients = &table{
	name: "clients", percent: 100, unique: `id`, parents: anOrganization,
	columns: []column{
		{"name", "text", texts, false},
		{"email", "text", orNull(texts), false},
		{"phone", "text", orNull(texts), false},
		{"secondaryEmail", "text", orNull(texts), false},
		{"secondaryPhone", "text", orNull(texts), false},
		{"tags", "jsonb", orNull(documents), false},
		{"updated_at", "timestamp(3)", times, false},
		{"createdBy", "text", users, true},
		{"clientType", `"ClientType"`, labels("PERSON", "COMPANY"), false},
	},
}

var relationships = &table{
	name: "client_relationships", percent: 80, unique: `"fromClientId", "toClientId"`, parents: twoClients,
	columns: []column{
		{"position", "text", orNull(texts), false},
		{"createdBy", "text", users, true},
		{"relationshipType", `"RelationshipType"`, labels("EMPLOYEE", "PARTNER", "VENDOR", "CLIENT", "REFERRAL", "FAMILY", "COLLEAGUE", "OTHER"), false},
	},
}

var interactions = &table{
	name: "interactions", percent: 150, unique: `id`, parents: aPropertyOrClient,
	columns: []column{
		{"summary", "text", longs, false},
		{"timestamp", "timestamp(3)", times, false},
		{"createdBy", "text", users, true},
		{"interactionType", `"InteractionType"`, labels("CALL", "EMAIL", "MEETING", "VIEWING"), false},
	},
}

var tasks = &table{
	name: "tasks", percent: 150, unique: `id`, parents: anOrganizationAndMore,
	columns: []column{
		{"title", "text", texts, false},
		{"description", "text", orNull(longs), false},
		{"dueDate", "timestamp(3)", orNull(times), false},
		{"assignedTo", "text", orNull(users), false},
		{"createdBy", "text", users, true},
		{"status", `"TaskStatus"`, labels("PENDING", "COMPLETED", "CANCELLED"), false},
	},
}

var notes = &table{
	name: "notes", percent: 200, unique: `id`, parents: aPropertyOrClient,
	columns: []column{
		{"content", "text", longs, false},
		{"createdBy", "text", users, true},
	},
}

var invitations = &table{
	name: "invitations", percent: 50, unique: `id`, parents: anOrganization,
	columns: []column{
		{"email", "text", texts, false},
		{"role", `"UserRole"`, labels(roles...), false},
		{"token", "text", func(w *writer) any { return w.r.Uint64() }, false},
		{"status", `"InvitationStatus"`, labels("PENDING", "ACCEPTED", "CANCELED", "EXPIRED"), false},
		{"expiresAt", "timestamp(3)", times, false},
		{"invitedBy", "text", users, true},
		{"updated_at", "timestamp(3)", times, false},
	},
}

var activities = &table{
	name: "activities", percent: 200, unique: `id`, parents: anOrganization,
	columns: []column{
		{"entityId", "text", texts, false},
		{"payload", "jsonb", orNull(documents), false},
		{"actorId", "text", users, true},
		{"actionType", `"ActionType"`, labels("PROPERTY_CREATED", "PROPERTY_UPDATED", "MEDIA_ADDED", "CLIENT_CREATED", "NOTE_ADDED", "TASK_COMPLETED"), false},
		{"entityType", `"EntityType"`, labels("PROPERTY", "CLIENT", "TASK", "USER", "SUBSCRIPTION"), false},
	},
}

// tables are all of them, parents first.
var tables = []*table{
	properties, addresses, listings, mediaAssets, clients, relationships, interactions, tasks, notes, invitations, activities,
}
