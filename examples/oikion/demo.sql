-- Two organizations, three users, and something to change.
INSERT INTO organizations (id, name) VALUES ('aegean', 'Aegean Estates'), ('ionian', 'Ionian Homes');
INSERT INTO users (id, name, email) VALUES
  ('alice', 'Alice', 'alice@example.com'), ('bob', 'Bob', 'bob@example.com'), ('carol', 'Carol', 'carol@example.com');
INSERT INTO organization_members (id, "userId", "organizationId", role) VALUES
  ('m1', 'alice', 'aegean', 'ORG_OWNER'), ('m2', 'bob', 'ionian', 'ORG_OWNER'), ('m3', 'carol', 'aegean', 'AGENT'), ('m4', 'carol', 'ionian', 'AGENT');
INSERT INTO properties (id, price, bedrooms, description, "organizationId", "createdBy", "propertyType", status, "transactionType") VALUES
  ('villa', 480000, 4, 'Villa above the bay', 'aegean', 'alice', 'HOUSE', 'AVAILABLE', 'SALE'),
  ('loft', 210000, 1, 'Loft by the harbour', 'aegean', 'alice', 'APARTMENT', 'AVAILABLE', 'SALE'),
  ('mill', 350000, 3, 'Old oil mill', 'ionian', 'bob', 'HOUSE', 'AVAILABLE', 'SALE');
INSERT INTO clients (id, name, "organizationId", "createdBy", "clientType") VALUES
  ('eleni', 'Eleni', 'aegean', 'alice', 'PERSON'), ('nikos', 'Nikos', 'ionian', 'bob', 'PERSON');
