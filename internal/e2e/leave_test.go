package e2e_test

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// TestClientsThatLeaveDisturbNobody: each stream asks the database where it is.
// Who goes before the answer must not take the feed's connections along.
func TestClientsThatLeaveDisturbNobody(t *testing.T) {
	const leavers, workers = 600, 6
	ctx := within(t, 2*time.Minute)
	h := settled(t, 1)
	s := serve(t, h.environ, nil)
	s.ready(t)
	cookie := h.cookie(t, "user_1")
	c, _ := open(t, s.address, "organizationId=org_1", cookie, "")
	before := walsender(t, h)
	var leaving sync.WaitGroup
	for w := range workers {
		leaving.Go(func() {
			r := rand.New(rand.NewPCG(3, uint64(w)))
			for range leavers / workers {
				conn, err := net.Dial("tcp", s.address)
				if err != nil {
					t.Error(err)
					return
				}
				_, err = io.WriteString(conn, "GET /api/realtime/stream?organizationId=org_1 HTTP/1.1\r\nHost: localhost\r\nCookie: "+cookie+"\r\n\r\n")
				if err != nil {
					t.Error(err)
				}
				pause(ctx, time.Duration(r.IntN(3000))*time.Microsecond)
				conn.(*net.TCPConn).SetLinger(0) // gone at once, without a word
				conn.Close()
			}
		})
	}
	leaving.Wait()
	h.Exec(t, `UPDATE properties SET price = price + 1 WHERE id = 'property_1'`)
	c.await(t, "property.update")
	if after := walsender(t, h); after != before {
		t.Errorf("the feed was interrupted: its walsender was PID %d, and is %d", before, after)
	}
}
