package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestACursorTakenBeforeAReadMissesNothing: a page takes a cursor, reads its
// rows, and opens a stream from the cursor, while others write. Every row is in
// what was read or on the stream.
func TestACursorTakenBeforeAReadMissesNothing(t *testing.T) {
	h := settled(t, 1)
	s := serve(t, h.environ, nil)
	s.ready(t)
	cookie, conn := h.cookie(t, "user_1"), h.Conn(t)
	stop := h.writing(t, 1, 1)
	type visit struct {
		read   map[string]bool
		stream *connection
	}
	read := func() map[string]bool {
		rows, err := conn.Query(t.Context(), `SELECT id FROM properties`)
		if err != nil {
			t.Fatal(err)
		}
		list, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]bool{}
		for _, id := range list {
			all[id] = true
		}
		return all
	}
	var visits []visit
	for range 12 {
		cursor := s.position(t, "organizationId=org_1", cookie)
		v := visit{read: read()}
		v.stream, _ = open(t, s.address, "organizationId=org_1&lastEventId="+cursor, cookie, "")
		v.stream.Close()
		// Opened again, to read all of it: what came with `ready` counts too.
		var err error
		if v.stream, err = connect(within(t, 4*time.Minute), s.address, "organizationId=org_1&lastEventId="+cursor, cookie, ""); err != nil {
			t.Fatal(err)
		}
		visits = append(visits, v)
	}
	until(t, time.Minute, func() string {
		if n := len(read()); n < 20 {
			return fmt.Sprintf("%d rows", n)
		}
		return ""
	})
	stop()
	h.mark(t, 1)
	all := read()
	onStreams := 0
	for i, v := range visits {
		seen := map[string]bool{}
		for _, m := range v.stream.upTo(t, 1) {
			seen[m.Payload.PropertyID] = true
		}
		v.stream.Close()
		onStreams += len(seen)
		for id := range all {
			if !v.read[id] && !seen[id] {
				t.Errorf("visit %d: %s was neither read nor sent", i, id)
			}
		}
	}
	if onStreams < 50 {
		t.Errorf("the test is too quiet: %d rows, %d on streams", len(all), onStreams)
	}
}
