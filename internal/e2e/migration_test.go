package e2e_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// files looks through the files of the data directory.
func (s *instance) files(t testing.TB, look func(name string, content []byte)) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(s.environ["ORGCAST_DATA_DIR"], func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		files++
		look(filepath.Base(path), content)
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%d files were looked through, %v", files, err)
	}
}

// unwritten says that none of the words is in a file of the data directory.
func (s *instance) unwritten(t testing.TB, words ...string) {
	t.Helper()
	s.files(t, func(name string, content []byte) {
		for _, w := range words {
			if strings.Contains(string(content), w) {
				t.Errorf("%q is in %s", w, name)
			}
		}
	})
}

// withRules are variables with a rule file.
func withRules(t testing.TB, environ map[string]string, rules string) map[string]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	environ = maps.Clone(environ)
	environ["ORGCAST_RULES"] = path
	return environ
}

// TestAMigrationOpensNothing: what a migration adds, renames or makes of another
// type is not sent until a rule names it; what looks like a secret not even then.
func TestAMigrationOpensNothing(t *testing.T) {
	h := settled(t, 1)
	s := serve(t, h.environ, nil)
	s.ready(t)
	t.Run("migration-adds-secret", func(t *testing.T) {
		e := s.listenAs(t, h, "user_1", "org_1")
		h.script(t, `BEGIN;
			ALTER TABLE clients ADD COLUMN "apiToken" text NOT NULL DEFAULT 'canary-default', ADD COLUMN vat text DEFAULT 'canary-vat', ADD COLUMN data jsonb;
			UPDATE clients SET name = 'in the migration', "apiToken" = 'canary-token', data = '{"x":"canary-json"}' WHERE id = 'client_1';
			COMMIT`)
		h.script(t, `UPDATE clients SET "apiToken" = 'canary-only' WHERE id = 'client_1'`) // nothing that may leave
		h.script(t, `UPDATE clients SET name = 'after it', "apiToken" = 'canary-again', vat = 'canary-vat-2' WHERE id = 'client_1'`)
		h.script(t, `INSERT INTO clients (id, name, "apiToken", "organizationId", "createdBy", "clientType") VALUES ('client_new', 'a new one', 'canary-new', 'org_1', 'user_1', 'PERSON')`)
		// An allowed column goes, and a secret takes its place in the row.
		h.script(t, `ALTER TABLE clients RENAME COLUMN email TO "emailHash"; ALTER TABLE clients ADD COLUMN another text DEFAULT 'canary-another'`)
		h.script(t, `UPDATE clients SET name = 'renamed', "emailHash" = 'canary-hash' WHERE id = 'client_1'`)
		h.script(t, `ALTER TABLE clients DROP COLUMN phone`)
		h.script(t, `UPDATE clients SET name = 'dropped', "secondaryPhone" = 'seen' WHERE id = 'client_1'; DELETE FROM clients WHERE id = 'client_new'`)
		// A table of which no rule knows.
		h.script(t, `CREATE TABLE keys (id text PRIMARY KEY, "organizationId" text, value text); ALTER TABLE keys REPLICA IDENTITY FULL; ALTER PUBLICATION orgcast ADD TABLE keys`)
		h.script(t, `INSERT INTO keys VALUES ('k', 'org_1', 'canary-key'); UPDATE keys SET value = 'canary-key-2'; DELETE FROM keys; ALTER PUBLICATION orgcast DROP TABLE keys`)
		told := s.hear(t, h, e)[0]
		never(t, "a member", told, "canary", "apiToken", `"vat`, "emailHash", "another", `"data":{"x"`, `"keys`)
		if lines(told, "client_1") != 4 || lines(told, "in the migration") != 1 || lines(told, "client_new") != 2 || lines(told, "dropped", `"secondaryPhone":"seen"`) != 1 || len(told) != 6 {
			t.Errorf("a member was told\n%s", strings.Join(told, "\n"))
		}
		s.terminate(t)
		if status := s.exit(t, 20*time.Second); status != 0 {
			t.Errorf("status %d", status)
		}
		s.unwritten(t, "canary")

		// A rule that names it.
		const rules = goodRules + "  clients: {event: data.sync, entity: client, tenant: [organizationId], columns: [id, COLUMN]}\n"
		for _, column := range []string{"apiToken", "emailHash", "{apiToken: greeting}", "{column: apiToken, as: greeting}", "{column: apiToken, sensitive: false}"} {
			for _, command := range []string{"serve", "setup", "doctor"} {
				status, text := run(t, withRules(t, h.environ, strings.Replace(rules, "COLUMN", column, 1)), "", command)
				if status != 1 || !strings.Contains(text, "looks like a secret") || !strings.Contains(text, "sensitive: true") {
					t.Errorf("%s with %s: status %d, %s", command, column, status, text)
				}
			}
		}
		status, text := run(t, withRules(t, h.environ, goodRules+"  users: {event: data.sync, entity: user, tenant: [organizationId], columns: [id, {column: password, sensitive: true}]}\n"), "", "serve")
		if status != 1 || !strings.Contains(text, "users.password can't be sent at all") {
			t.Errorf("a rule that names the password: status %d, %s", status, text)
		}
		open := serve(t, withRules(t, h.environ, strings.Replace(rules, "COLUMN", "{column: apiToken, sensitive: true}", 1)), nil)
		open.ready(t)
		e = open.listenAs(t, h, "user_1", "org_1")
		h.script(t, `UPDATE clients SET "apiToken" = 'it is none', vat = 'canary' WHERE id = 'client_1'`)
		told = open.hear(t, h, e)[0]
		never(t, "a member", told, "canary")
		if lines(told, `"apiToken":"it is none"`) != 1 {
			t.Errorf("with sensitive: true a member was told\n%s", strings.Join(told, "\n"))
		}
	})
}
