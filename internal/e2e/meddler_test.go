package e2e_test

import (
	wire "encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// meddler stands between the server and its database, and breaks the next row
// that the slot sends if it is told how.
type meddler struct {
	listener net.Listener
	database string
	breaks   atomic.Pointer[func(row []byte)]
	broke    atomic.Int64
}

// meddle listens until the test ends.
func meddle(t testing.TB, database string) *meddler {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	p := &meddler{listener: listen(t), database: u.Host}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		p.listener.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			client, err := p.listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.pass(client) })
		}
	})
	return p
}

// url is a database's URL by way of the meddler.
func (p *meddler) url(t testing.TB, database string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = p.listener.Addr().String()
	return u.String()
}

// pass passes one connection on, until either side ends it.
func (p *meddler) pass(client net.Conn) {
	server, err := net.Dial("tcp", p.database)
	if err != nil {
		client.Close()
		return
	}
	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(server, client) // whoever closes ends both
		server.Close()
		client.Close()
	})
	_ = p.answers(client, server)
	server.Close()
	client.Close()
	up.Wait()
}

// answers passes the server's messages on: a type, a length that counts itself, a
// body. A row of the slot is a CopyData that holds an XLogData that holds an 'I'.
func (p *meddler) answers(client io.Writer, server io.Reader) error {
	for {
		var head [5]byte
		if _, err := io.ReadFull(server, head[:]); err != nil {
			return err
		}
		n := wire.BigEndian.Uint32(head[1:])
		if n < 4 || n > 1<<30 {
			return errors.New("no message of PostgreSQL")
		}
		message := append(head[:], make([]byte, n-4)...)
		if _, err := io.ReadFull(server, message[5:]); err != nil {
			return err
		}
		const xlogHead = 1 + 3*8
		if body := message[5:]; head[0] == 'd' && len(body) > xlogHead && body[0] == 'w' && body[xlogHead] == 'I' {
			if breaks := p.breaks.Swap(nil); breaks != nil {
				(*breaks)(body[xlogHead:])
				p.broke.Add(1)
			}
		}
		if _, err := client.Write(message); err != nil {
			return err
		}
	}
}
