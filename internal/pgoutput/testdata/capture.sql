-- What testdata/postgres15.hex was captured from: PostgreSQL 15, wal_level
-- logical, an empty database. One frame a line, as
--
--   psql -XAtq -f capture.sql > postgres15.hex
--
-- prints it. To capture it anew, update the wanted lines of capture_test.go.
SET client_min_messages = error;
SET TIME ZONE 'UTC';
CREATE TYPE plan AS ENUM ('FREE', 'PRO');
CREATE TABLE organizations (id text PRIMARY KEY, plan plan NOT NULL);
CREATE TABLE properties (
    id text PRIMARY KEY,
    "organizationId" text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    price numeric(12,2),
    features jsonb,
    description text
);
ALTER TABLE properties REPLICA IDENTITY FULL;
ALTER TABLE properties ALTER description SET STORAGE EXTERNAL;
CREATE TABLE notes (body text, "organizationId" text NOT NULL, slug text NOT NULL);
ALTER TABLE notes ALTER body SET STORAGE EXTERNAL, ALTER slug SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX notes_identity ON notes ("organizationId", slug);
ALTER TABLE notes REPLICA IDENTITY USING INDEX notes_identity;
CREATE PUBLICATION capture FOR TABLE organizations, properties, notes;
SELECT FROM pg_create_logical_replication_slot('capture', 'pgoutput');

BEGIN;
SELECT FROM pg_logical_emit_message(true, 'orgcast.actor', '{"userId":"u1"}');
INSERT INTO organizations VALUES ('org_a', 'FREE');
INSERT INTO properties VALUES ('p1', 'org_a', 10.50, '{"sea": true}', repeat('x', 2100));
SAVEPOINT s;
INSERT INTO properties VALUES ('rolled back', 'org_a');
ROLLBACK TO s;
INSERT INTO notes VALUES (E'Καλημέρα\n', 'org_a', repeat('s', 2100));
COMMIT;

-- Unchanged TOAST under a full identity, and an alteration in the middle.
BEGIN;
UPDATE properties SET price = 11 WHERE id = 'p1';
ALTER TABLE properties ADD COLUMN "archivedAt" timestamp(3);
UPDATE properties SET "archivedAt" = '2025-11-23 07:20:00' WHERE id = 'p1';
COMMIT;

-- An index identity, unchanged and changed, with a TOAST value in its key.
BEGIN;
UPDATE notes SET body = NULL;
UPDATE notes SET "organizationId" = 'org_b';
COMMIT;

-- A message that outlives its rollback, a cascade, which deletes the parent first.
BEGIN;
SELECT FROM pg_logical_emit_message(false, 'orgcast', 'not transactional');
ROLLBACK;
BEGIN;
UPDATE organizations SET plan = 'PRO';
DELETE FROM organizations;
DELETE FROM notes;
COMMIT;

TRUNCATE organizations CASCADE;

SELECT encode(data, 'hex')
FROM pg_logical_slot_get_binary_changes('capture', NULL, NULL,
    'proto_version', '1', 'publication_names', 'capture', 'messages', 'true');
SELECT FROM pg_drop_replication_slot('capture');
