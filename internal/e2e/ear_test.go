package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// ear is one stream of which every word is kept as it came, from a moment on.
type ear struct {
	user          string
	organizations []string
	query, cookie string
	from          string // the cursor from which on it was not asked yet
	live          *connection
}

// listenAs opens a stream without any filter, and says from which cursor on it
// is told everything.
func (s *instance) listenAs(t testing.TB, h *house, user string, organizations ...string) *ear {
	t.Helper()
	e := &ear{user: user, organizations: organizations, cookie: h.cookie(t, user), query: "organizationId=" + strings.Join(organizations, "&organizationId=")}
	var ready message
	e.live, ready = open(t, s.address, e.query, e.cookie, "")
	e.from = ready.Cursor
	return e
}

// marks number the rows that say "all that came before was told".
var marks atomic.Int64

// hear writes a last row into every organization of the ears and returns what
// each of them was told since the last time, as the data lines came: events and
// resets. It asks for the same once more, by a stream that resumes there: a replay
// must tell to the byte what was told live.
func (s *instance) hear(t testing.TB, h *house, ears ...*ear) (told [][]string) {
	t.Helper()
	mark := fmt.Sprintf("mark-%d-", marks.Add(1))
	var organizations []string
	for _, e := range ears {
		organizations = append(organizations, e.organizations...)
	}
	slices.Sort(organizations)
	for _, o := range slices.Compact(organizations) {
		h.property(t, mark+o, o, "a mark")
	}
	for _, e := range ears {
		got, reached := e.live.dataUpTo(t, mark, len(e.organizations))
		again, err := connect(within(t, time.Minute), s.address, e.query, e.cookie, e.from)
		if err != nil || again.StatusCode != http.StatusOK {
			t.Fatalf("%s resumes: %+v, %v", e.user, again, err)
		}
		replayed, _ := again.dataUpTo(t, mark, len(e.organizations))
		again.Close()
		if !slices.Equal(got, replayed) {
			t.Errorf("%s was told live\n%.2000s\nand by the replay from %s\n%.2000s", e.user, strings.Join(got, "\n"), e.from, strings.Join(replayed, "\n"))
		}
		e.from = reached
		told = append(told, got)
	}
	return told
}

// dataUpTo reads the data lines of events and resets up to the last of n marks, and
// tells where that is.
func (c *connection) dataUpTo(t testing.TB, mark string, n int) (all []string, reached string) {
	t.Helper()
	for {
		b, m, err := c.next()
		if err != nil {
			t.Fatalf("read up to %s: %v, after\n%s", mark, err, strings.Join(all, "\n"))
		}
		switch {
		case m.Type == "closing":
			t.Fatalf("closing %s before %s, after\n%s", m.Reason, mark, strings.Join(all, "\n"))
		case m.Type == "connection", m.Type == "ready", m.Type == "status":
		case strings.HasPrefix(m.Payload.PropertyID, mark):
			if n--; n == 0 {
				return all, b.id
			}
		default:
			all = append(all, b.data)
		}
	}
}

// property makes a property of an organization.
func (h *house) property(t testing.TB, id, organization, description string) {
	t.Helper()
	h.Exec(t, `INSERT INTO properties (id, price, description, "organizationId", "createdBy", "propertyType", status, "transactionType")
		VALUES ($1, 1, $3, $2, 'user_1', 'HOUSE', 'AVAILABLE', 'SALE')`, id, organization, description)
}

// never says which of the words a stream was told, that it should not have been.
func never(t testing.TB, who string, told []string, words ...string) {
	t.Helper()
	for _, line := range told {
		for _, w := range words {
			if strings.Contains(line, w) {
				t.Errorf("%s was told %q:\n%s", who, w, line)
			}
		}
	}
}

// lines counts those that have all of the words.
func lines(told []string, words ...string) (n int) {
	for _, line := range told {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			n++
		}
	}
	return n
}

// metric is the sum of a metric's series that have all of the labels, each as
// `name="value"`.
func (s *instance) metric(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	_, text, err := get("http://" + s.oper + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	return sum(t, text, name, labels...)
}

// sum adds up the series of a metric in what a Prometheus is told.
func sum(t testing.TB, text, name string, labels ...string) (sum float64) {
	t.Helper()
	for line := range strings.Lines(text) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		family, set, _ := strings.Cut(series, "{")
		if family != name || slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(set, l) }) {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		sum += n
	}
	return sum
}
