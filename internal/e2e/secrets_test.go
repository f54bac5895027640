package e2e_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/session"
)

// canaries are what must be seen nowhere, by what they are.
type canaries map[string]string

// silent looks for the canaries in a text: as they are, and as they would be if
// somebody had wrapped them.
func (c canaries) silent(t testing.TB, where, text string) {
	t.Helper()
	for what, word := range c {
		for _, form := range []string{word, url.QueryEscape(word), url.PathEscape(word), hex.EncodeToString([]byte(word)),
			strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(word)), "="), base64.RawURLEncoding.EncodeToString([]byte(word))} {
			if i := strings.Index(text, form); i >= 0 {
				t.Errorf("%s shows the %s: …%.300s", where, what, text[max(0, i-200):])
				break
			}
		}
	}
}

// TestSecretsNowhere plants a canary in everything that is secret, goes through
// what works and what fails, and looks for them in everything that the program
// says or leaves behind.
func TestSecretsNowhere(t *testing.T) {
	h := newHouse(t)
	h.password = "canary-database-password/+%:@" // what a URL must escape
	owner, err := url.Parse(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	ownerPassword, _ := owner.User.Password()
	secrets := canaries{
		"auth secret":       "canary-auth-secret-0123456789abcdef",
		"database password": h.password,
		"owner's password":  ownerPassword,
		"admin token":       "canary-admin-token-0123456789",
		"API key":           "orgc_canary-api-key-0123456789",
		"cursor":            "canary0cursor.zzz.1",
		"idempotency key":   "canary-idempotency-key",
	}
	// Of rows: what may not leave is not even written down; what may is not logged.
	hidden := canaries{
		"unmapped column":        "canary-unmapped-column",
		"secret column":          "canary-invitation-token",
		"column of a migration":  "canary-migrated-column",
		"password of a user":     "canary-users-password",
		"session's token":        "canary-session-row",
		"withheld row":           "canary-withheld-row",
		"refused message":        "canary-refused-message",
		"old value of a secret":  "canary-older-token",
		"secret of a broken row": "canary-broken-secret",
	}
	const allowed = "canary-allowed-value"
	h.fill(t, 2)
	h.Exec(t, `ALTER TABLE clients ADD COLUMN "apiToken" text DEFAULT 'canary-migrated-column'`)
	t.Run("secrets-nowhere", func(t *testing.T) {
		direct := h.URLAs(h.role, h.password)
		proxy := meddle(t, direct)
		environ := map[string]string{
			"ORGCAST_DATABASE_URL": proxy.url(t, direct), "ORGCAST_SETUP_DATABASE_URL": h.URL,
			"AUTH_SECRET": secrets["auth secret"], "AUTH_URL": "http://127.0.0.1", "ORGCAST_ADMIN_TOKEN": secrets["admin token"],
			"ORGCAST_LOG_LEVEL": "debug", "ORGCAST_HEARTBEAT": "1s",
		}
		auth, err := session.New(session.Config{Scheme: session.AuthJS, Secure: session.SecureNever, Secrets: []string{secrets["auth secret"]}})
		if err != nil {
			t.Fatal(err)
		}
		mint := func(user string, at time.Time, life time.Duration) string {
			c, err := auth.Mint(session.Grant{User: orgcast.UserID(user), IssuedAt: at, Lifetime: life})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		cookie, expired := mint("user_1", time.Now(), time.Hour), mint("user_1", time.Now().Add(-2*time.Hour), time.Hour)
		foreign := mint("canary-user-of-a-cookie", time.Now(), time.Hour)
		for name, c := range map[string]string{"session": cookie, "expired session": expired, "foreign session": foreign} {
			_, token, _ := strings.Cut(c, "=")
			parts := strings.Split(token, ".")
			secrets[name] = parts[3] // what is in it, sealed
			secrets[name+"'s seal"] = parts[4]
		}
		secrets["user of a session"] = "canary-user-of-a-cookie"
		all := maps.Clone(secrets)
		maps.Copy(all, hidden)
		all["value of a row"], all["value of a broken row"] = allowed, "canary-broken-row"

		command := func(environ map[string]string, stdin string, args ...string) {
			t.Helper()
			_, text := run(t, environ, stdin, args...)
			if text == "" {
				t.Errorf("%v says nothing", args)
			}
			all.silent(t, "orgcast "+strings.Join(args, " "), text)
		}
		for _, args := range [][]string{{"setup", "--print"}, {"setup"}, {"setup", "--print"}, {"setup"}, {"doctor"}, {"doctor", "--json"}} {
			command(environ, "", args...)
		}

		var said strings.Builder // by all processes
		var s *instance
		begin := func(format string) {
			if s == nil {
				s = serve(t, environ, map[string]string{"ORGCAST_LOG_FORMAT": format})
			} else {
				s.environ["ORGCAST_LOG_FORMAT"] = format
				s.start(t)
			}
			until(t, time.Minute, func() string { return s.authorized(t, secrets["admin token"], "/readyz", "ok") })
		}
		end := func() {
			s.terminate(t)
			if status := s.exit(t, 20*time.Second); status != 0 {
				t.Errorf("status %d", status)
			}
			said.WriteString(s.out.String())
		}
		for round, format := range []string{"text", "json"} {
			begin(format)
			mark := fmt.Sprint("-", round)
			live, _ := open(t, s.address, "organizationId=org_1", cookie, "")
			secrets["live cursor"] = s.position(t, "organizationId=org_1", cookie)
			s.askEverything(t, all, cookie, expired, foreign, secrets)
			h.writeCanaries(t, mark)
			until(t, time.Minute, func() string {
				if n := s.authorizedMetric(t, secrets["admin token"], "orgcast_messages_refused_total"); n < 3 {
					return fmt.Sprint(n, " messages refused")
				}
				return ""
			})
			// A row that is broken on its way, in several places.
			ways := []func([]byte){
				func(row []byte) { row[0] = '?' },
				func(row []byte) { row[6], row[7] = 0x7f, 0xff },  // how many columns
				func(row []byte) { row[9], row[10] = 0x7f, 0xff }, // how long the first is
			}
			if round > 0 {
				ways = ways[:1] // each costs a longer pause
			}
			for i, breaks := range ways {
				before := proxy.broke.Load()
				proxy.breaks.Store(&breaks)
				h.script(t, fmt.Sprintf(`INSERT INTO invitations (id, email, role, token, "expiresAt", "organizationId", "invitedBy") VALUES ('canary-broken-row%s-%d', 'canary-broken-row', 'AGENT', 'canary-broken-secret%[1]s-%[2]d', now(), 'org_1', 'user_1')`, mark, i))
				until(t, time.Minute, func() string {
					if proxy.broke.Load() == before {
						return "the row was not broken"
					}
					return ""
				})
				until(t, time.Minute, func() string {
					if n := s.authorizedMetric(t, secrets["admin token"], "orgcast_feed_interruptions_total"); n < float64(i+1) {
						return fmt.Sprint("interrupted ", n, " times")
					}
					return s.authorized(t, secrets["admin token"], "/readyz", "ok")
				})
			}
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.cmd.Process.Pid))
			if err != nil {
				t.Fatal(err)
			}
			all.silent(t, "the command line", string(line))
			all.silent(t, "pg_stat_activity", h.activity(t))
			h.mark(t, 1)
			live.upTo(t, 1)
			h.script(t, `DELETE FROM properties WHERE id = 'mark_1'`)
			// Before the log packs what it holds, and nothing can be found in it: what
			// may leave is there, to be read by everybody who looks.
			until(t, time.Minute, func() string {
				if !s.written(t, allowed+mark) {
					return "what may leave is not found on the disk: there is no telling what else is"
				}
				return ""
			})
			s.unwrittenAll(t, hidden, secrets)
			end()
		}
		// Killed in the middle of it, too.
		begin("text")
		h.giant(t)
		s.kill(t)
		s.unwrittenAll(t, hidden, secrets)
		said.WriteString(s.out.String())
		begin("text")
		end()
		h.refusals(t, all, environ, direct)

		for _, want := range []string{`"level":"DEBUG"`, "level=DEBUG", "session refused", "change feed interrupted", "published event was refused"} {
			if !strings.Contains(said.String(), want) {
				t.Errorf("the test went not where %q is logged", want)
			}
		}
		all.silent(t, "the log", said.String())
		s.unwrittenAll(t, hidden, secrets)
	})
}

// writeCanaries writes a row of every kind.
func (h *house) writeCanaries(t testing.TB, mark string) {
	t.Helper()
	sql := strings.ReplaceAll(`
		UPDATE users SET password = 'canary-users-password{}' WHERE id = 'user_1';
		INSERT INTO sessions (id, "sessionToken", "userId", expires) VALUES ('canary-session-row{}', 'canary-session-row{}', 'user_1', now());
		INSERT INTO activities (id, "entityId", payload, "organizationId", "actorId", "actionType", "entityType") VALUES ('a{}', 'x', '{"x":"canary-unmapped-column"}', 'org_1', 'user_1', 'NOTE_ADDED', 'PROPERTY');
		INSERT INTO invitations (id, email, role, token, "expiresAt", "organizationId", "invitedBy") VALUES ('i{}', 'canary-allowed-value', 'AGENT', 'canary-older-token{}', now(), 'org_1', 'user_1');
		UPDATE invitations SET token = 'canary-invitation-token{}', status = 'EXPIRED' WHERE id = 'i{}';
		UPDATE invitations SET token = 'canary-older-token-2{}' WHERE id = 'i{}';
		DELETE FROM invitations WHERE id = 'i{}';
		INSERT INTO clients (id, name, "apiToken", "organizationId", "createdBy", "clientType") VALUES ('c{}', 'canary-allowed-value', 'canary-migrated-column', 'org_1', 'user_1', 'PERSON');
		UPDATE clients SET "apiToken" = 'canary-migrated-column-2', name = 'canary-allowed-value{}' WHERE id = 'c{}';
		INSERT INTO notes (id, content, "propertyId", "clientId", "createdBy") VALUES ('canary-withheld-row{}', 'canary-withheld-row', 'property_1', 'client_2', 'user_1');
		UPDATE notes SET content = 'canary-withheld-row-2' WHERE id = 'canary-withheld-row{}';
		SELECT pg_logical_emit_message(true, 'orgcast', '{"type":"canary-refused-message"}');
		SELECT pg_logical_emit_message(true, 'orgcast', 'canary-refused-message');
		SELECT pg_logical_emit_message(true, 'orgcast', '{"type":"system.alert","organizationId":"canary-refused-message","payload":{"alertType":"canary-refused-message","message":"canary-refused-message"}}');
		SELECT pg_logical_emit_message(true, 'orgcast', '{"type":"notification.new","organizationId":"org_1","payload":{"userId":"canary-refused-message","title":"canary-refused-message","message":"","priority":"low","category":"x"}}');
		SELECT pg_logical_emit_message(false, 'orgcast', '{"type":"system.alert","canary-refused-message":1}');
		SELECT pg_logical_emit_message(true, 'orgcast.actor', '{"userId":"canary-refused-message","x":')`, "{}", mark)
	for statement := range strings.SplitSeq(strings.TrimSpace(sql), ";\n") {
		h.script(t, statement)
	}
}

// giant is a transaction that does not fit into memory.
func (h *house) giant(t testing.TB) {
	t.Helper()
	h.script(t, `INSERT INTO activities (id, "entityId", payload, "organizationId", "actorId", "actionType", "entityType")
		SELECT 'giant' || i, 'x', jsonb_build_object('x', repeat('canary-unmapped-column', 100)), 'org_1', 'user_1', 'NOTE_ADDED', 'PROPERTY' FROM generate_series(1, 4000) i`)
}

// activity is what the database shows of the program's connections.
func (h *house) activity(t testing.TB) string {
	t.Helper()
	conn := h.Conn(t)
	var list []string
	until(t, time.Minute, func() string {
		rows, err := conn.Query(t.Context(), `SELECT concat_ws(' ', application_name, query) FROM pg_stat_activity WHERE usename = $1`, h.role)
		if err != nil {
			return err.Error()
		}
		if list, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || len(list) < 2 {
			return fmt.Sprintf("%d connections, %v", len(list), err)
		}
		return ""
	})
	return strings.Join(list, "\n")
}

// unwrittenAll says that nothing of what may not leave is in the data directory, nor
// what the process was given to keep for itself. Places are what the log is about.
func (s *instance) unwrittenAll(t testing.TB, sets ...canaries) {
	t.Helper()
	s.files(t, func(name string, content []byte) {
		for _, set := range sets {
			for what, word := range set {
				if !strings.Contains(what, "cursor") && strings.Contains(string(content), word) {
					t.Errorf("the %s is in %s", what, name)
				}
			}
		}
	})
}

// written tells whether a word is in a file of the data directory.
func (s *instance) written(t testing.TB, word string) bool {
	t.Helper()
	found := false
	s.files(t, func(_ string, content []byte) { found = found || strings.Contains(string(content), word) })
	return found
}

// authorized asks the operator's listener with its token; "" if the answer is as
// it should be.
func (s *instance) authorized(t testing.TB, token, path, want string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.oper+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	text, err := do(r)
	switch {
	case err != nil:
		return err.Error()
	case text == want:
		return ""
	}
	return "operator: " + text
}

// authorizedMetric is the sum of a metric.
func (s *instance) authorizedMetric(t testing.TB, token, name string) float64 {
	t.Helper()
	return sum(t, s.authorized(t, token, "/metrics", "nothing"), name)
}
