package e2e_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// askEverything asks for what there is and for what is not, rightly and wrongly,
// and looks at every answer.
func (s *instance) askEverything(t testing.TB, all canaries, cookie, expired, foreign string, secrets canaries) {
	t.Helper()
	key, cursor, token := secrets["API key"], secrets["cursor"], secrets["admin token"]
	const good = "organizationId=org_1"
	statuses := map[int]int{}
	ask := func(address, request string) {
		status, header, body := raw(t, address, request)
		statuses[status]++
		var text strings.Builder
		for name, values := range header {
			fmt.Fprintf(&text, "%s: %s\n", name, values)
		}
		all.silent(t, "the answer to "+strings.SplitN(request, "\n", 2)[0], text.String()+body)
	}
	half := cookie[:len(cookie)-10]
	for _, c := range []string{cookie, expired, foreign, half, half + "AAAAAAAAAA", cookie + "; " + expired, "authjs.session-token=", "next-auth.session-token=" + strings.Repeat("x", 9000), cookie + "; authjs.session-token.0=x", "x=y"} {
		for _, target := range []string{
			"GET /api/realtime/stream?" + good, "GET /api/realtime/stream", "GET /api/realtime/stream?organizationId=org_2&lastEventId=" + cursor, "GET /api/realtime/stream?" + good + "&channel=" + cursor,
			"GET /api/realtime/stream?" + good + "&lastEventId=" + cursor, "GET /api/realtime/events?" + good + "&after=" + cursor, "GET /api/realtime/events?" + good + "&limit=" + cursor,
			"GET /api/realtime/cursor?" + good, "GET /api/realtime/cursor?organizationId=%zz", "DELETE /api/realtime/stream?connectionId=" + strings.Repeat("A", 22),
			"GET /api/realtime/" + cursor, "PATCH /api/realtime/stream?" + good, "GET /api/realtime/stream?" + good + "&x=" + strings.Repeat("y", 9000),
		} {
			ask(s.address, target+" HTTP/1.1\nHost: "+s.address+"\nCookie: "+c+"\nLast-Event-ID: "+cursor+"\nAuthorization: Bearer "+key+"\nConnection: close\n\n")
		}
	}
	for _, body := range []string{`{"x":"` + key + `"}`, key, `[{"type":"` + key + `"}]`, `{"channels":["` + key + `"]}`} {
		for _, target := range []string{"POST /api/realtime/events", "PUT /api/realtime/stream?connectionId=" + strings.Repeat("A", 22)} {
			ask(s.address, fmt.Sprintf("%s HTTP/1.1\nHost: %s\nCookie: %s\nAuthorization: Bearer %s\nIdempotency-Key: %s\nContent-Type: application/json\nContent-Length: %d\nConnection: close\n\n%s",
				target, s.address, cookie, key, secrets["idempotency key"], len(body), body))
		}
	}
	for _, header := range []string{"Authorization: Bearer " + token + "x\n", "Authorization: Basic " + token + "\n", "Authorization: Bearer " + token + "\nOrigin: http://" + token + "\n", "Authorization: Bearer " + token + "\n"} {
		for _, path := range []string{"/metrics", "/api/realtime/stats", "/readyz", "/healthz", "/" + token} {
			ask(s.oper, "GET "+path+" HTTP/1.1\nHost: "+s.oper+"\n"+header+"Connection: close\n\n")
		}
		body := `{"userId":"` + token + `"}`
		ask(s.oper, fmt.Sprintf("POST /api/realtime/kick HTTP/1.1\nHost: %s\n%sContent-Type: application/json\nContent-Length: %d\nConnection: close\n\n%s", s.oper, header, len(body), body))
	}
	for _, status := range []int{200, 400, 401, 403, 404, 405, 414} {
		if statuses[status] == 0 {
			t.Errorf("no answer of %d was looked at: %v", status, statuses)
		}
	}
}

// refusals are commands that fail, for a fault of their configuration.
func (h *house) refusals(t testing.TB, all canaries, environ map[string]string, direct string) {
	t.Helper()
	wrong := strings.Replace(direct, "canary-database-password", "canary-wrong-password", 1)
	all = maps.Clone(all)
	all["wrong password"] = "canary-wrong-password"
	for name, over := range map[string]map[string]string{
		"a wrong password":      {"ORGCAST_DATABASE_URL": wrong, "ORGCAST_SETUP_DATABASE_URL": wrong},
		"no port":               {"ORGCAST_DATABASE_URL": strings.Replace(direct, "127.0.0.1:", "127.0.0.1:x", 1)},
		"no URL":                {"ORGCAST_DATABASE_URL": all["database password"]},
		"a broken escape":       {"ORGCAST_DATABASE_URL": strings.Replace(direct, "canary-database-password", "canary-wrong-password%zz", 1)},
		"an unknown parameter":  {"ORGCAST_DATABASE_URL": direct + "&password=canary-wrong-password&token=canary-wrong-password"},
		"nobody there":          {"ORGCAST_DATABASE_URL": strings.Replace(direct, "127.0.0.1", "127.0.0.1:1/x?", 1)},
		"a pooler":              {"ORGCAST_DATABASE_URL": direct + "&pgbouncer=true"},
		"prisma":                {"ORGCAST_DATABASE_URL": "prisma://accelerate.example/?api_key=canary-wrong-password"},
		"a short token":         {"ORGCAST_ADMIN_TOKEN": "canary-wrong-password"[:9]},
		"a bad secret":          {"AUTH_SECRET": "", "ORGCAST_AUTH_SECRETS": "canary-wrong-password\n\n \tcanary-wrong-password"},
		"a misspelt variable":   {"ORGCAST_DATABSE_URL": direct, "ORGCAST_ADMINTOKEN": "canary-wrong-password"},
		"a secret as a number":  {"ORGCAST_MAX_STREAMS": all["auth secret"]},
		"a secret as an origin": {"ORGCAST_ORIGINS": "https://user:canary-wrong-password@example.com"},
	} {
		environ := maps.Clone(environ)
		environ["ORGCAST_DATA_DIR"] = t.TempDir()
		environ["ORGCAST_LISTEN"], environ["ORGCAST_ADMIN_LISTEN"] = freeAddress(t), freeAddress(t)
		maps.Copy(environ, over)
		for _, args := range [][]string{{"setup", "--print"}, {"setup"}, {"doctor"}, {"session", "check"}} {
			_, text := run(t, environ, "Cookie: authjs.session-token=canary-wrong-password.a.b.c.d", args...)
			all.silent(t, name+": orgcast "+strings.Join(args, " "), text)
		}
		p := spawn(t, environ, nil, "serve")
		until(t, time.Minute, func() string {
			select {
			case <-p.done:
				return ""
			default:
			}
			if text := p.out.String(); !strings.Contains(text, "interrupted") && !strings.Contains(text, "ready") && !strings.Contains(text, "streaming") {
				return "serve says " + text
			}
			return ""
		})
		p.kill(t)
		all.silent(t, name+": orgcast serve", p.out.String())
	}
	for _, stdin := range []string{"Cookie: authjs.session-token=canary-wrong-password", "authjs.session-token=" + all["session"], strings.Repeat("canary-wrong-password", 20000), all["session"]} {
		status, text := run(t, environ, stdin, "session", "check")
		if status != 1 {
			t.Errorf("session check: status %d", status)
		}
		all.silent(t, "orgcast session check", text)
	}
}
