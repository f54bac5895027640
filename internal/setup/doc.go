// Package setup answers: what must the database have for orgcast, how is it
// put there, taken away, and checked?
//
// It has a publication that names its tables, replica identity FULL on each of
// them, and a role that may stream and reads a few tables with SQL. [Apply]
// puts it there, [Print] writes the same as SQL for somebody else to run,
// [Undo] takes it away, [Check] looks.
//
// Invariants:
//   - At every moment, also after a failure between two steps, the application
//     can write as before. PostgreSQL refuses UPDATE and DELETE on a published
//     table without replica identity, and with FULL on one that has a column
//     list in any publication.
//   - What was before is in the publication's comment before the first table
//     changes, and is never overwritten: Undo needs nothing else.
//   - The publication names its tables. Never FOR ALL TABLES: the default
//     NextAuth verification_tokens has no identity, and sign-in would fail.
//   - The application's role never gets REPLICATION: it would read every
//     published row, row-level security or not.
//   - A role that setup did not make keeps its attributes and its password,
//     and outlives Undo.
//   - Print and Apply run one plan. A password is in no output and no error;
//     to the server goes its SCRAM verifier.
//
// Order of Apply: publication with record, for each table identity then
// publication, role, grants. Order of Undo: slot, each table out of the
// publication, identities, grants, role, and the publication with its record
// last. A step is one transaction; a step that waits for a table gives up
// after 2 s, lets the application through, and tries again for 30 s.
//
// # Problems
//
// The codes that [Check] and the reports use; f is fatal, w a warning.
//
//	server_too_old               f  older than PostgreSQL 14
//	server_is_standby            f  a standby can't make a publication, and its slots end with it
//	wal_level                    f  the WAL lacks what logical decoding needs
//	slots_exhausted              f  our slot is missing and max_replication_slots is reached
//	slot_foreign                 f  the slot's name is taken by another database, plugin, or a physical slot
//	slot_older_than_publication  f  the slot can't see the publication, for ever: it must be made anew (Apply)
//	publication_missing          f
//	publication_all_tables       w  FOR ALL TABLES or TABLES IN SCHEMA; Apply refuses it
//	publication_options          f  an operation is not published, or partitions stream under their own names
//	table_missing                f  a migration has not run, or dropped or renamed it (Undo: w, its identity is not given back)
//	table_kind                   f  a view, a foreign, an UNLOGGED or a temporary table
//	column_missing               f  a rule uses a column that is not there
//	column_generated             f  the WAL does not carry generated columns
//	table_not_published          f  a mapped table is not in the publication; or was made anew
//	table_unmapped               w  a table is in the publication and no rule maps it
//	identity_not_full            f  a DELETE would not say whose row it was
//	identity_missing             f  the application's UPDATE and DELETE fail now; of any member of the publication
//	identity_changed             w  Undo left, or could not give back, an identity
//	column_list                  f  a publication publishes some columns only, which fails with FULL
//	row_filter                   f  a publication hides rows
//	row_security                 f  a mapped table has row-level security and its rule lacks tenant_only
//	read_denied                  f  the current role may not SELECT a table of the snapshot
//	read_row_security            f  row-level security hides rows of the snapshot from the role
//	role_superuser               w  the role is a superuser
//	role_owner                   w  the role owns mapped tables: it is likely the application's; Apply refuses it
//	role_bypass_rls              w  BYPASSRLS that no table needs
//	role_no_replication          f  the role lacks REPLICATION (on RDS: rds_replication)
//	role_shared                  w  the role is a member of the tables' owner; or setup was given no role
//	role_kept                    w  Undo could not drop the role
package setup
