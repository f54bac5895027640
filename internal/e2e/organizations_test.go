package e2e_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oikion/orgcast"
)

// TestOneStreamOfTwoOrganizations: the events of both, merged by cursor; resumed
// at any of them it goes on behind it, with nothing lost and nothing twice.
func TestOneStreamOfTwoOrganizations(t *testing.T) {
	h := settled(t, 3)
	h.member(t, "user_1", "org_2")
	s := serve(t, h.environ, nil)
	s.ready(t)
	cookie := h.cookie(t, "user_1")
	const both = "organizationId=org_2&organizationId=org_1"
	cursor := s.position(t, both, cookie)
	from := func(query, cursor string) *connection {
		c, err := connect(within(t, time.Minute), s.address, query, cookie, cursor)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	live := from(both, cursor)
	stop := h.writing(t, 3, 3)
	// One that is cut again and again, while they write.
	r := rand.New(rand.NewPCG(5, 5))
	var cut []string
	for last := cursor; len(cut) < 200; {
		c := from(both, last)
		for range 1 + r.IntN(20) {
			for {
				_, m, err := c.next()
				if err != nil || m.Type == "reset" || m.Type == "closing" {
					t.Fatalf("%s %s %v", m.Type, m.Reason, err)
				}
				if m.ID != "" {
					last = m.ID
					cut = append(cut, m.ID)
					break
				}
			}
		}
		c.Close()
	}
	stop()
	h.mark(t, 3, 1, 2)
	got := live.upTo(t, 2)
	var want []string
	for o := 1; o <= 2; o++ {
		c := from("organizationId="+org(o), cursor)
		for _, m := range c.upTo(t, o) {
			if m.OrganizationID != org(o) {
				t.Errorf("an event of %s on the stream of %s", m.OrganizationID, org(o))
			}
			want = append(want, m.ID)
		}
		c.Close()
	}
	slices.SortFunc(want, func(a, b string) int {
		x, errX := orgcast.ParseCursor(a)
		y, errY := orgcast.ParseCursor(b)
		if errX != nil || errY != nil {
			t.Fatalf("no cursors: %q, %q", a, b)
		}
		return x.Compare(y)
	})
	sameIDs(t, "the stream of both", ids(got), want)
	sameIDs(t, "the stream that was cut", cut, want[:min(len(cut), len(want))])
	for range 15 {
		i := r.IntN(len(want))
		c := from(both, want[i])
		if i < len(want)-1 {
			sameIDs(t, "resumed at "+want[i], ids(c.upTo(t, 2)), want[i+1:])
		}
		c.Close()
	}
	inside, between := 0, 0
	for i, m := range got {
		if i > 0 && m.OrganizationID != got[i-1].OrganizationID {
			if a, b := got[i-1].ID, m.ID; a[:strings.LastIndex(a, ".")] == b[:strings.LastIndex(b, ".")] {
				inside++
			} else {
				between++
			}
		}
	}
	if len(want) < 200 || inside < 5 || between < 5 {
		t.Errorf("the test is too quiet: %d events, organizations change %d times within a transaction and %d times between", len(want), inside, between)
	}
}
