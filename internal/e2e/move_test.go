package e2e_test

import (
	"fmt"
	"strings"
	"testing"
)

// movable are the rows that can go from one organization to another, every
// allowed value of them.
var movable = []struct {
	name, make, move string
	gone             string // what the old row says besides: words that nobody is to be told
}{
	{"a property", `INSERT INTO properties (id, price, bedrooms, bathrooms, size, "yearBuilt", features, description, "organizationId", "createdBy", "propertyType", status, "transactionType")
			VALUES ('moved', 1111111, 22, 33, 4444.5, 1955, '{"x":"old-features"}', 'old-description', 'org_1', 'user_1', 'HOUSE', 'AVAILABLE', 'SALE')`,
		`UPDATE properties SET price = 2, bedrooms = 1, bathrooms = 1, size = 1, "yearBuilt" = 2000, features = '{"x":"new-features"}', description = 'new-description', "organizationId" = 'org_2',
			"createdBy" = 'user_2', "propertyType" = 'LAND', status = 'SOLD', "transactionType" = 'LEASE', created_at = now(), updated_at = now() WHERE id = 'moved'`, "1111111 4444.5 1955 AVAILABLE HOUSE SALE"},
	{"a client", `INSERT INTO clients (id, name, email, phone, "secondaryEmail", "secondaryPhone", tags, "organizationId", "createdBy", "clientType")
			VALUES ('moved', 'old-name', 'old-email', 'old-phone', 'old-second', 'old-phones', '["old-tag"]', 'org_1', 'user_1', 'PERSON')`,
		`UPDATE clients SET name = 'new-name', email = 'new-email', phone = 'new-phone', "secondaryEmail" = NULL, "secondaryPhone" = 'new-phones', tags = '["new-tag"]', "organizationId" = 'org_2',
			"createdBy" = 'user_2', "clientType" = 'COMPANY' WHERE id = 'moved'`, "PERSON"},
	{"a task", `INSERT INTO tasks (id, title, description, "organizationId", "propertyId", "assignedTo", "createdBy") VALUES ('moved', 'old-title', 'old-text', 'org_1', 'property_1', 'user_1', 'user_1')`,
		`UPDATE tasks SET title = 'new-title', description = 'new-text', "organizationId" = 'org_2', "propertyId" = 'property_2', "assignedTo" = 'user_2', "createdBy" = 'user_2', status = 'COMPLETED' WHERE id = 'moved'`, "PENDING property_1"},
	{"a note, by its parent", `INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ('moved', 'old-content', 'property_1', 'user_1')`,
		`UPDATE notes SET content = 'new-content', "propertyId" = 'property_2', "createdBy" = 'user_2' WHERE id = 'moved'`, "property_1"},
	{"a note, to another kind of parent", `INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ('moved', 'old-content', 'property_1', 'user_1')`,
		`UPDATE notes SET content = 'new-content', "propertyId" = NULL, "clientId" = 'client_2', "createdBy" = 'user_2' WHERE id = 'moved'`, "property_1"},
	{"an interaction", `INSERT INTO interactions (id, summary, timestamp, "clientId", "createdBy", "interactionType") VALUES ('moved', 'old-summary', now(), 'client_1', 'user_1', 'CALL')`,
		`UPDATE interactions SET summary = 'new-summary', "clientId" = 'client_2', "createdBy" = 'user_2', "interactionType" = 'EMAIL' WHERE id = 'moved'`, "client_1 CALL"},
	{"an address", `INSERT INTO addresses (id, country, region, city, street, number, "postalCode", "locationText", "propertyId")
			VALUES ('moved', 'old-country', 'old-region', 'old-city', 'old-street', 'old-number', 'old-code', 'old-location', 'property_1')`,
		`UPDATE addresses SET country = 'new-country', region = 'new-region', city = 'new-city', street = 'new-street', number = 'new-number', "postalCode" = 'new-code', "locationText" = NULL, "propertyId" = 'property_2' WHERE id = 'moved'`, ""},
	{"a listing", `INSERT INTO listings (id, "listPrice", notes, "propertyId", "marketingStatus") VALUES ('moved', 1111111, 'old-notes', 'property_1', 'ACTIVE')`,
		`UPDATE listings SET "listPrice" = 2, notes = 'new-notes', "propertyId" = 'property_2', "marketingStatus" = 'ARCHIVED', "archivedAt" = now() WHERE id = 'moved'`, "1111111 ACTIVE"},
	{"a picture", `INSERT INTO media_assets (id, url, "propertyId", "assetType", "displayOrder") VALUES ('moved', 'old-url', 'property_1', 'IMAGE', 7777)`,
		`UPDATE media_assets SET url = 'new-url', "propertyId" = 'property_2', "assetType" = 'VIDEO', "displayOrder" = 1 WHERE id = 'moved'`, "IMAGE 7777"},
	{"two clients' relation", `INSERT INTO clients (id, name, "organizationId", "createdBy", "clientType") VALUES ('k1', 'x', 'org_1', 'user_1', 'PERSON'), ('k2', 'x', 'org_2', 'user_2', 'PERSON');
			INSERT INTO client_relationships (id, "fromClientId", "toClientId", position, "createdBy") VALUES ('moved', 'client_1', 'k1', 'old-position', 'user_1')`,
		`UPDATE client_relationships SET "fromClientId" = 'client_2', "toClientId" = 'k2', position = 'new-position', "createdBy" = 'user_2', "relationshipType" = 'FAMILY' WHERE id = 'moved'`, "client_1 k1 OTHER"},
	{"an invitation", `INSERT INTO invitations (id, email, role, token, "expiresAt", "organizationId", "invitedBy") VALUES ('moved', 'old-email', 'AGENT', 'old-token', now(), 'org_1', 'user_1')`,
		`UPDATE invitations SET email = 'new-email', role = 'VIEWER', token = 'hidden-token', status = 'EXPIRED', "organizationId" = 'org_2', "invitedBy" = 'user_2' WHERE id = 'moved'`, "AGENT PENDING"},
	{"a membership", `INSERT INTO users (id) VALUES ('olduser'), ('newuser'); INSERT INTO organization_members (id, "userId", "organizationId", role) VALUES ('moved', 'olduser', 'org_1', 'ADMIN')`,
		`UPDATE organization_members SET "userId" = 'newuser', "organizationId" = 'org_2', role = 'VIEWER' WHERE id = 'moved'`, "ADMIN"},
}

// testMove: what goes from one organization to another is a delete for the one,
// with its ids, and a create for the other, with its new values: not one old value
// crosses, and not one new value stays behind.
func testMove(t *testing.T, h *house, s *instance) {
	for i, c := range movable {
		t.Run(c.name, func(t *testing.T) {
			row := strings.NewReplacer("'moved'", fmt.Sprintf("'moved_%d'", i))
			h.Exec(t, row.Replace(c.make))
			ears := s.each(t, h, 2)
			h.Exec(t, row.Replace(c.move))
			told := s.hear(t, h, ears...)
			was, is := told[0], told[1]
			never(t, "the old organization", was, append(strings.Fields(c.gone), "old-", "new-", "newuser", "user_2", "property_2", "client_2", "org_2", "hidden-token")...)
			never(t, "the new organization", is, append(strings.Fields(c.gone), "old-", "olduser", "user_1", "property_1", "client_1", "org_1", "hidden-token", `"old"`)...)
			if lines(was, "moved", `"organizationId":"org_1"`) == 0 || lines(is, "moved", "new", `"organizationId":"org_2"`) == 0 {
				t.Errorf("the old organization was told\n%s\nand the new one\n%s", strings.Join(was, "\n"), strings.Join(is, "\n"))
			}
		})
	}
}
