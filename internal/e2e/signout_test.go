package e2e_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// sessionHouse is a house whose application keeps its sessions in the database:
// no secret is known to the server.
func sessionHouse(t testing.TB, organizations int) *house {
	t.Helper()
	h := newHouse(t)
	delete(h.environ, "AUTH_SECRET")
	h.environ["ORGCAST_SESSION"] = "authjs-database"
	h.environ["ORGCAST_LOG_LEVEL"] = "debug"
	h.fill(t, organizations)
	h.setUp(t)
	return h
}

// signIn inserts a session, as Auth.js's adapter does, and returns its token.
func signIn(ctx context.Context, conn *pgx.Conn, user string, lifetime time.Duration) (token string, err error) {
	token = rand.Text()
	_, err = conn.Exec(ctx, `INSERT INTO sessions (id, "sessionToken", "userId", expires) VALUES ($1, $2, $3, $4)`,
		rand.Text(), token, user, time.Now().UTC().Add(lifetime))
	return token, err
}

func mustSignIn(t testing.TB, conn *pgx.Conn, user string, lifetime time.Duration) (token string) {
	t.Helper()
	token, err := signIn(t.Context(), conn, user, lifetime)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func sessionCookie(token string) string { return "authjs.session-token=" + token }

// untold fails if one of the tokens is in what the server wrote or keeps.
func untold(t testing.TB, s *instance, tokens []string) {
	t.Helper()
	text := s.out.String()
	for _, token := range tokens {
		if strings.Contains(text, token) {
			t.Errorf("the server wrote a session's token")
		}
	}
	s.unwritten(t, tokens...)
}

// rest reads what a stream says until it is over, heartbeats left out: an event
// by its type and id, a message by its type and reason.
func (c *connection) rest(t testing.TB) (said []string) {
	t.Helper()
	for {
		_, m, err := c.next()
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return said
		case err != nil:
			t.Fatalf("%v, after %v", err, said)
		case m.Payload.PropertyID != "":
			said = append(said, fmt.Sprintf("%v", m.Payload.Changes["price"].New))
		default:
			said = append(said, strings.TrimSpace(m.Type+" "+m.Reason))
		}
	}
}

const (
	signIns       = 300
	signInWorkers = 5
)

// TestWhoJustSignedInIsNeverTurnedAway: the session's row is committed, and in
// that instant the stream is asked for, while others write.
func TestWhoJustSignedInIsNeverTurnedAway(t *testing.T) {
	ctx := within(t, 4*time.Minute)
	h := sessionHouse(t, 3)
	s := serve(t, h.environ, nil)
	s.ready(t)

	writing, stop := context.WithCancel(ctx)
	var writers, asking sync.WaitGroup
	writer := h.Conn(t)
	writers.Go(func() {
		for pause(writing, 2*time.Millisecond) {
			if _, err := writer.Exec(ctx, `UPDATE properties SET price = price + 1`); err != nil {
				t.Errorf("write: %v", err)
				return
			}
		}
	})
	var mu sync.Mutex
	var tokens []string
	var slowest, all time.Duration
	for w := range signInWorkers {
		conn := h.Conn(t)
		asking.Go(func() {
			for i := range signIns / signInWorkers {
				n := 1 + (w+i)%3
				token, err := signIn(ctx, conn, fmt.Sprintf("user_%d", n), time.Hour)
				if err != nil {
					t.Errorf("sign-in %d: %v", i, err)
					return
				}
				begun := time.Now()
				c, err := connect(ctx, s.address, "organizationId="+org(n), sessionCookie(token), "")
				if err != nil {
					t.Errorf("sign-in %d: %v", i, err)
					continue
				}
				took := time.Since(begun)
				if c.StatusCode != http.StatusOK {
					body, _ := io.ReadAll(c.Body)
					t.Errorf("sign-in %d: status %d %s", i, c.StatusCode, body)
				} else if said := greeting(c); said != "connection ready" {
					t.Errorf("sign-in %d: %s", i, said)
				}
				c.Close()
				mu.Lock()
				tokens, slowest, all = append(tokens, token), max(slowest, took), all+took
				mu.Unlock()
			}
		})
	}
	asking.Wait()
	stop()
	writers.Wait()
	t.Logf("%d sign-ins; answered after %v on average, %v at most", len(tokens), (all / signIns).Round(time.Microsecond), slowest.Round(time.Millisecond))
	untold(t, s, tokens)
}

// TestSignOutEndsTheStreamAtItsPlace: what was committed before the sign-out is
// sent, in its transaction too; nothing that comes after it is.
func TestSignOutEndsTheStreamAtItsPlace(t *testing.T) {
	h := sessionHouse(t, 1)
	conn := h.Conn(t)
	// Before the server has a slot: the snapshot must have it.
	early := mustSignIn(t, conn, "user_1", time.Hour)
	s := serve(t, h.environ, nil)
	s.ready(t)
	late := mustSignIn(t, conn, "user_1", time.Hour)
	stays := mustSignIn(t, conn, "user_1", time.Hour)
	tokens := []string{early, late, stays}
	for i, token := range tokens[:2] {
		gone, _ := open(t, s.address, "organizationId=org_1", sessionCookie(token), "")
		other, _ := open(t, s.address, "organizationId=org_1", sessionCookie(stays), "")
		base := 1000 * (i + 1)
		h.script(t, fmt.Sprintf(`
			UPDATE properties SET price = %d;
			BEGIN; UPDATE properties SET price = %d; DELETE FROM sessions WHERE "sessionToken" = '%s'; UPDATE properties SET price = %d; COMMIT;
			UPDATE properties SET price = %d`, base+1, base+2, token, base+3, base+4))
		want := fmt.Sprintf("%d %d closing session_expired", base+1, base+2)
		if got := strings.Join(gone.rest(t), " "); got != want {
			t.Errorf("who signed out was told %q, want %q", got, want)
		}
		for n := 1; n <= 4; n++ {
			if m := other.await(t, "property.update"); fmt.Sprint(m.Payload.Changes["price"].New) != fmt.Sprint(base+n) {
				t.Errorf("the other session: price %v, want %d", m.Payload.Changes["price"].New, base+n)
			}
		}
		other.Close()
		refused(t, s, token)
	}
	untold(t, s, tokens)
}

// refused expects the 401 of a session that is none.
func refused(t testing.TB, s *instance, token string) {
	t.Helper()
	c, err := connect(within(t, time.Minute), s.address, "organizationId=org_1", sessionCookie(token), "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.StatusCode != http.StatusUnauthorized {
		t.Errorf("a session that is none: status %d", c.StatusCode)
	}
}

// TestASessionsEndMoves: it ends when its row says, not before; an extension is
// silent; a shorter one ends its streams sooner.
func TestASessionsEndMoves(t *testing.T) {
	h := sessionHouse(t, 1)
	s := serve(t, h.environ, map[string]string{"ORGCAST_HEARTBEAT": "25s"})
	s.ready(t)
	conn := h.Conn(t)
	begun := time.Now()
	short := mustSignIn(t, conn, "user_1", 3*time.Second)
	extended := mustSignIn(t, conn, "user_1", 3*time.Second)
	shortened := mustSignIn(t, conn, "user_1", time.Hour)
	over := mustSignIn(t, conn, "user_1", -time.Second)

	ends, _ := open(t, s.address, "organizationId=org_1", sessionCookie(short), "")
	goesOn, _ := open(t, s.address, "organizationId=org_1", sessionCookie(extended), "")
	sooner, _ := open(t, s.address, "organizationId=org_1", sessionCookie(shortened), "")
	refused(t, s, over)

	set := func(token string, end time.Time) {
		t.Helper()
		h.Exec(t, `UPDATE sessions SET expires = $2 WHERE "sessionToken" = $1`, token, end.UTC())
	}
	set(extended, time.Now().Add(time.Hour))
	if said := ends.rest(t); strings.Join(said, " ") != "closing session_expired" {
		t.Errorf("the session that was left alone: %q", said)
	}
	if took := time.Since(begun); took < 3*time.Second || took > 15*time.Second {
		t.Errorf("it ended after %v, want 3s", took)
	}
	refused(t, s, short)
	// Beyond its first end, and told nothing of it.
	h.Exec(t, `UPDATE properties SET price = 7`)
	if _, m, err := goesOn.next(); err != nil || m.Type != "property.update" {
		t.Errorf("the extended session: %q %v", m.Type, err)
	}
	begun = time.Now()
	set(shortened, time.Now().Add(time.Second))
	if said := sooner.rest(t); strings.Join(said, " ") != "7 closing session_expired" {
		t.Errorf("the shortened session: %q", said)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it ended after %v, want 1s", took)
	}
	untold(t, s, []string{short, extended, shortened, over})
}

// TestTruncatedSessionsEndEveryStream, and a restart finds what there is, though
// the slot does not tell it again.
func TestTruncatedSessionsEndEveryStream(t *testing.T) {
	h := sessionHouse(t, 2)
	s := serve(t, h.environ, nil)
	s.ready(t)
	conn := h.Conn(t)
	var tokens []string
	for range 2 {
		one, two := mustSignIn(t, conn, "user_1", time.Hour), mustSignIn(t, conn, "user_2", time.Hour)
		tokens = append(tokens, one, two)
		a, _ := open(t, s.address, "organizationId=org_1", sessionCookie(one), "")
		b, _ := open(t, s.address, "organizationId=org_2", sessionCookie(two), "")
		h.script(t, `TRUNCATE sessions; UPDATE properties SET price = 9`)
		for _, c := range []*connection{a, b} {
			if said := c.rest(t); strings.Join(said, " ") != "closing session_expired" {
				t.Errorf("got %q", said)
			}
		}
		refused(t, s, one)
		// What is known survives the process.
		again := mustSignIn(t, conn, "user_1", time.Hour)
		tokens = append(tokens, again)
		c, _ := open(t, s.address, "organizationId=org_1", sessionCookie(again), "")
		c.Close()
		s.kill(t)
		s.start(t)
		s.ready(t)
		c, _ = open(t, s.address, "organizationId=org_1", sessionCookie(again), "")
		c.Close()
		refused(t, s, one)
	}
	untold(t, s, tokens)
}

// TestTheSessionsAreLeftAloneUnlessTheyAreAskedFor: with sessions in the cookie
// the table is not published, and the role may not read it.
func TestTheSessionsAreLeftAloneUnlessTheyAreAskedFor(t *testing.T) {
	for scheme, want := range map[string]bool{"auto": false, "authjs": false, "authjs-database": true} {
		h := newHouse(t)
		h.environ["ORGCAST_SESSION"] = scheme
		h.setUp(t)
		conn := h.Conn(t)
		var published, readable bool
		err := conn.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_publication_tables WHERE tablename = 'sessions'), has_table_privilege($1, 'sessions', 'SELECT')`, h.role).
			Scan(&published, &readable)
		if err != nil {
			t.Fatal(err)
		}
		if published != want || readable != want {
			t.Errorf("%s: published %v, readable %v, want %v", scheme, published, readable, want)
		}
	}
}
