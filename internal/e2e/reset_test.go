package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/oikion/orgcast"
)

// TestEachReasonForAResetIsReached on the wire, each with a cursor from which the
// stream goes on.
func TestEachReasonForAResetIsReached(t *testing.T) {
	h := settled(t, 2)
	s := serve(t, h.environ, nil)
	s.ready(t)
	one := h.cookie(t, "user_1")
	begun, err := orgcast.ParseCursor(s.position(t, "organizationId=org_1", one))
	if err != nil {
		t.Fatal(err)
	}
	other, beyond := begun, begun
	other.Epoch++
	beyond.LSN += 1 << 40
	h.user(t, "late")
	h.member(t, "late", "org_2")
	// More than a replay reads.
	h.Exec(t, `INSERT INTO notes (id, content, "propertyId", "createdBy") SELECT 'many_' || n, 'x', 'property_1', 'user_1' FROM generate_series(1, 13000) n`)

	reached := map[orgcast.ResetReason]bool{}
	for _, c := range []struct {
		want               orgcast.ResetReason
		user, organization string
		from               string
		sql                string // once the stream is live
		next               string // the property that is told of after it
	}{
		{orgcast.ResetMalformed, "user_1", "org_1", "k3.of-nobody.2", "", "property_1"},
		{orgcast.ResetEpoch, "user_1", "org_1", other.String(), "", "property_1"},
		{orgcast.ResetAhead, "user_1", "org_1", beyond.String(), "", "property_1"},
		{orgcast.ResetTooOld, "late", "org_2", begun.String(), "", "property_2"}, // before he was a member
		{orgcast.ResetTooMany, "user_1", "org_1", begun.String(), "", "property_1"},
		{orgcast.ResetMoved, "user_1", "org_1", "", `UPDATE properties SET "organizationId" = 'org_2' WHERE id = 'property_1'`, ""},
	} {
		stream, err := connect(within(t, time.Minute), s.address, "organizationId="+c.organization, h.cookie(t, c.user), c.from)
		if err != nil || stream.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v", c.want, err)
		}
		if c.sql != "" {
			stream.await(t, "ready")
			h.Exec(t, c.sql)
		}
		for {
			b, m, err := stream.next()
			if err != nil {
				t.Fatalf("%s: %v", c.want, err)
			}
			if m.Type == "connection" || m.Type == "data.sync" && c.want == orgcast.ResetTooMany || m.Type == "property.update" && c.want == orgcast.ResetMoved {
				continue // it is told only when so many were read
			}
			at, err := orgcast.ParseCursor(m.Cursor)
			if m.Type != "reset" || m.Reason != string(c.want) || b.id != m.Cursor || err != nil || at.Epoch != begun.Epoch {
				t.Errorf("%s from %q: told %s, cursor %v", c.want, c.from, b.data, err)
			}
			reached[c.want] = m.Reason == string(c.want)
			break
		}
		if c.next != "" {
			stream.await(t, "ready")
			h.Exec(t, `UPDATE properties SET price = price + 1 WHERE id = $1`, c.next)
			if m := stream.await(t, "property.update"); m.Payload.PropertyID != c.next {
				t.Errorf("after %s: an event of %s", c.want, m.Payload.PropertyID)
			}
		}
		stream.Close()
		if got := s.metric(t, "orgcast_resets_total", `reason="`+string(c.want)+`"`); got < 1 && c.want != orgcast.ResetMoved {
			t.Errorf("%s is counted %v times", c.want, got)
		}
	}
	if len(reached) != 6 {
		t.Errorf("reached %v", reached)
	}
}
