package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/oikion/orgcast"
)

// TestEachReasonForAResetIsReached: a reason that nothing leads to would be a branch
// that no client has ever seen.
func TestEachReasonForAResetIsReached(t *testing.T) {
	t.Parallel()
	h := settled(t, 2)
	s := serve(t, h.environ, nil)
	s.ready(t)
	cookie := h.cookie(t, "user_1")
	open := func(from string) *connection {
		t.Helper()
		c, err := connect(within(t, time.Minute), s.address, "organizationId=org_1", cookie, from)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	live := open("")
	begun := live.await(t, "ready").Cursor
	epoch, _, _ := strings.Cut(begun, ".")
	// More than is replayed, behind a cursor that was good.
	h.Exec(t, `INSERT INTO clients (id, name, "organizationId", "createdBy", "clientType")
		SELECT 'many_' || n, 'x', 'org_1', 'user_1', 'PERSON' FROM generate_series(1, 10001) n`)
	for from, want := range map[string]orgcast.ResetReason{
		"nonsense":               orgcast.ResetMalformed,
		"1.1.0":                  orgcast.ResetEpoch,
		epoch + ".zzzzzzzzzzz.0": orgcast.ResetAhead,
		epoch + ".1.0":           orgcast.ResetTooOld,
		begun:                    orgcast.ResetTooMany,
	} {
		m := open(from).await(t, "reset")
		if orgcast.ResetReason(m.Reason) != want || m.Cursor == "" || m.Cursor == from {
			t.Errorf("from %s: %+v, want %s", from, m, want)
		}
	}
	// And one that has its place among the events: a row that takes its children along.
	c := open("")
	c.await(t, "ready")
	h.Exec(t, `UPDATE properties SET "organizationId" = 'org_2' WHERE "organizationId" = 'org_1'`)
	if m := c.await(t, "reset"); orgcast.ResetReason(m.Reason) != orgcast.ResetMoved {
		t.Errorf("%+v", m)
	}
}
