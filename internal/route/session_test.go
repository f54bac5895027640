package route

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/pgoutput/pgoutputtest"
)

const sessionRules = smallRules + "sessions: {table: sessions, token: sessionToken, user: userId, expires: expires}\n"

// The column that is not named must not matter.
var sessionRows = relation(41, "sessions", text("id"), text("sessionToken"), text("userId"), orgcast.Column{Name: "expires", TypeOID: oidTimestamp}, text("agent"))

var noonUTC = time.Date(2025, 11, 23, 12, 0, 0, 0, time.UTC)

// sessionsOf tells what becomes of sessions: "-token", or "token=user until". A
// token is told by its hash, so the test says which there are.
func sessionsOf(t tester, out *Output, tokens ...string) (lines []string) {
	t.Helper()
	for _, c := range out.States {
		if c.Space != orgcast.SpaceSessions {
			continue
		}
		if c.Prefix {
			lines = append(lines, "-*")
			continue
		}
		token := "?"
		for _, name := range tokens {
			if id := orgcast.NameSession([]byte(name)); bytes.Equal(c.Key, id[:]) {
				token = name
			}
		}
		if c.Value == nil {
			lines = append(lines, "-"+token)
			continue
		}
		_, s, err := orgcast.ParseSession(c.Key, c.Value)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s=%s %s", token, s.User, s.ExpiresAt.Format("15:04:05.999999")))
	}
	return lines
}

func TestSessionsAreKeptAndNeverTold(t *testing.T) {
	byKey := *sessionRows
	byKey.OID, byKey.Identity = 42, orgcast.IdentityDefault
	byKey.Columns = slices.Clone(sessionRows.Columns)
	for i := range byKey.Columns {
		byKey.Columns[i].Key = i == 0
	}
	renamed := relation(43, "sessions", text("id"), text("token"), text("userId"), text("expires"))
	noon, one := "2025-11-23 12:00:00", "2025-11-23 13:00:00.123"
	signedIn := row{"s1", "tok", "u1", noon, "x"}
	for name, test := range map[string]struct {
		frame    []byte
		want     []string
		withheld string
	}{
		"a sign-in":             {insert(sessionRows, signedIn), []string{"tok=u1 12:00:00"}, ""},
		"an extension":          {update(sessionRows, row{"s1", "tok", "u1", one, "x"}, signedIn), []string{"tok=u1 13:00:00.123"}, ""},
		"another column":        {update(sessionRows, row{"s1", "tok", "u1", noon, "y"}, signedIn), nil, ""},
		"another token":         {update(sessionRows, row{"s1", "tok2", "u1", noon, "x"}, signedIn), []string{"-tok", "tok2=u1 12:00:00"}, ""},
		"another user":          {update(sessionRows, row{"s1", "tok", "u2", noon, "x"}, signedIn), []string{"tok=u2 12:00:00"}, ""},
		"no user any more":      {update(sessionRows, row{"s1", "tok", nil, noon, "x"}, signedIn), []string{"-tok"}, "no_key"},
		"unchanged, not sent":   {update(sessionRows, row{"s1", pgoutputtest.Unchanged, "u1", one, "x"}, signedIn), []string{"tok=u1 13:00:00.123"}, ""},
		"a sign-out":            {remove(sessionRows, signedIn), []string{"-tok"}, ""},
		"no time":               {insert(sessionRows, row{"s1", "tok", "u1", "soon", "x"}), nil, "no_time"},
		"no expiry":             {insert(sessionRows, row{"s1", "tok", "u1", nil, "x"}), nil, "no_time"},
		"the end of a bad row":  {remove(sessionRows, row{"s1", "tok", "u1", nil, "x"}), nil, ""},
		"truncated":             {truncate(sessionRows), []string{"-*"}, ""},
		"a delete, by key only": {remove(&byKey, signedIn), []string{"-*"}, "no_old_row"},
		"an update, new only":   {update(&byKey, signedIn, nil), []string{"-*", "tok=u1 12:00:00"}, "no_old_row"},
		"no token's column":     {insert(renamed, row{"s1", "tok", "u1", noon}), []string{"-*"}, "column_missing"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sessionRules, nobody{}, sessionRows, &byKey, renamed)
			out := w.commit(test.frame)
			if got := sessionsOf(t, out, "tok", "tok2"); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if len(out.Events) > 0 || len(out.Members) > 0 {
				t.Errorf("told: %s", w.lines(out))
			}
			if len(out.Sessions) != len(test.want) {
				t.Errorf("%d changes of %q", len(out.Sessions), test.want)
			}
			for i, c := range out.Sessions {
				if c.Everybody != (test.want[i] == "-*") || c.Cursor.LSN != w.lsn || c.Cursor.Index >= orgcast.SubIndexes {
					t.Errorf("change %d is %+v", i, c)
				}
			}
			if got := strings.Join(w.withheld, ""); strings.TrimPrefix(got, "withheld sessions ") != test.withheld {
				t.Errorf("%s, want %q", got, test.withheld)
			}
			for _, c := range out.States {
				if bytes.Contains(c.Key, []byte("tok")) || bytes.Contains(c.Value, []byte("tok")) {
					t.Errorf("the token is in what is stored: %q %q", c.Key, c.Value)
				}
			}
		})
	}
}

func TestASessionHasItsPlaceAmongTheEventsOfItsTransaction(t *testing.T) {
	w := newWorld(t, sessionRules, nobody{}, sessionRows, clients, notes)
	w.commit(insert(clients, row{"c1", "a"}))
	out := w.commit(insert(notes, row{"n1", nil, "c1", "x"}), remove(sessionRows, row{"s1", "tok", "u1", "2025-11-23 12:00:00", "x"}), insert(notes, row{"n2", nil, "c1", "x"}))
	if len(out.Events) != 2 || len(out.Sessions) != 1 ||
		out.Sessions[0].Cursor.Compare(out.Events[0].Cursor) <= 0 || out.Sessions[0].Cursor.Compare(out.Events[1].Cursor) >= 0 {
		t.Errorf("events %s, sessions %+v", w.lines(out), out.Sessions)
	}
	out.Reset()
	if len(out.Sessions) != 0 {
		t.Error("a session of the transaction before is in the next one")
	}
}

func TestTheSnapshotHasTheSessions(t *testing.T) {
	w := newWorld(t, sessionRules, nobody{})
	i := slices.IndexFunc(w.router.Snapshots(), func(s Snapshot) bool { return s.Table.Name == "sessions" })
	if i < 0 {
		t.Fatal("no sessions")
	}
	s := w.router.Snapshots()[i]
	if want := []string{"sessionToken", "userId", "expires"}; !slices.Equal(s.Columns, want) {
		t.Fatalf("columns %q", s.Columns)
	}
	for name, test := range map[string]struct {
		row  [][]byte
		want string
	}{
		"good":    {[][]byte{[]byte("tok"), []byte("u1"), []byte("2025-11-23 12:00:00")}, "tok=u1 12:00:00"},
		"no user": {[][]byte{[]byte("tok"), nil, []byte("2025-11-23 12:00:00")}, "-tok"},
		"no time": {[][]byte{[]byte("tok"), []byte("u1"), nil}, "-tok"},
	} {
		c, err := s.State(test.row)
		if err != nil {
			t.Fatal(err)
		}
		if got := sessionsOf(t, &Output{States: []orgcast.StateChange{c}}, "tok"); !slices.Equal(got, []string{test.want}) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestWithoutTheRuleSessionsAreNoTable(t *testing.T) {
	w := newWorld(t, smallRules, nobody{}, sessionRows)
	out := w.commit(insert(sessionRows, row{"s1", "tok", "u1", "2025-11-23 12:00:00", "x"}), truncate(sessionRows))
	if len(out.States)+len(out.Sessions)+len(out.Events) != 0 {
		t.Errorf("got %+v", out)
	}
}

func TestMoments(t *testing.T) {
	for text, want := range map[string]time.Time{
		"2025-11-23 12:00:00":           noonUTC,
		"2025-11-23 12:00:00.123":       noonUTC.Add(123 * time.Millisecond),
		"2025-11-23 12:00:00.123456":    noonUTC.Add(123456 * time.Microsecond),
		"2025-11-23 12:00:00+00":        noonUTC,
		"2025-11-23 14:00:00.5+02":      noonUTC.Add(500 * time.Millisecond),
		"2025-11-23 17:30:00+05:30":     noonUTC,
		"infinity":                      time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		"":                              {},
		"-infinity":                     {},
		"0044-03-15 12:00:00 BC":        {},
		"20251123T120000":               {},
		"1763899200":                    {},
		"2025-11-23":                    {},
		"2025-13-23 12:00:00":           {},
		"294276-12-31 23:59:59.999999":  {},
		"2025-11-23 12:00:00+00 or so ": {},
	} {
		got, ok := moment(text)
		if !got.Equal(want) || ok == want.IsZero() {
			t.Errorf("%q: %v %v, want %v", text, got, ok, want)
		}
	}
}

// TestTheSessionsAreThoseOfTheTable: whatever happens to the table, what is
// stored is what a look at every row says.
func TestTheSessionsAreThoseOfTheTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, sessionRules, nobody{}, sessionRows)
		table := map[string]row{} // by token, which is unique
		stored := map[string]string{}
		tokens := []string{"t1", "t2", "t3"}
		for range rapid.IntRange(1, 15).Draw(t, "transactions") {
			var frames [][]byte
			for range rapid.IntRange(1, 5).Draw(t, "changes") {
				token := rapid.SampledFrom(tokens).Draw(t, "token")
				next := row{"id", token, rapid.SampledFrom([]any{"u", "v", nil}).Draw(t, "user"), fmt.Sprintf("2025-11-23 %02d:00:00", rapid.IntRange(10, 20).Draw(t, "hour")), "x"}
				old, there := table[token]
				switch action := rapid.IntRange(0, 9).Draw(t, "action"); {
				case action == 0:
					clear(table)
					frames = append(frames, truncate(sessionRows))
				case !there:
					table[token] = next
					frames = append(frames, insert(sessionRows, next))
				case action < 4:
					delete(table, token)
					frames = append(frames, remove(sessionRows, old))
				case action < 6:
					other := rapid.SampledFrom(tokens).Draw(t, "new token")
					if _, taken := table[other]; taken {
						continue
					}
					next[1] = other
					delete(table, token)
					table[other] = next
					frames = append(frames, update(sessionRows, next, old))
				default:
					table[token] = next
					frames = append(frames, update(sessionRows, next, old))
				}
			}
			for _, c := range w.commit(frames...).States {
				switch {
				case c.Prefix:
					clear(stored)
				case c.Value == nil:
					delete(stored, string(c.Key))
				default:
					stored[string(c.Key)] = string(c.Value)
				}
			}
			sessions := 0
			for token, r := range table {
				if r[2] == nil {
					continue // nobody's
				}
				sessions++
				end, _ := moment(r[3].(string))
				want := orgcast.Session{User: orgcast.UserID(r[2].(string)), ExpiresAt: end}
				id := orgcast.NameSession([]byte(token))
				if got := stored[string(id[:])]; got != string(want.Append(nil)) {
					t.Fatalf("%s is %q, want %+v", token, got, want)
				}
			}
			if len(stored) != sessions {
				t.Fatalf("%d sessions are stored of %d", len(stored), sessions)
			}
		}
	})
}
