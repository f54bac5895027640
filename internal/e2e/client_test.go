package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oikion/orgcast"
)

// block is one block of an event stream.
type block struct {
	id      string // "" if the block has none
	data    string
	retry   string
	comment bool
}

// readBlock reads a block to its empty line. What the end of the stream cuts is
// no block.
func readBlock(r *bufio.Reader) (block, error) {
	var b block
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return block{}, err
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			return b, nil
		case name == "":
			b.comment = true
		case name == "id":
			b.id = value
		case name == "data" && b.data == "":
			b.data = value
		case name == "retry":
			b.retry = value
		default:
			return block{}, fmt.Errorf("a line that no stream has: %.100q", line)
		}
	}
}

// message is what a stream says, by its data.
type message struct {
	ID             string `json:"id"`
	Type           string `json:"type"`
	OrganizationID string `json:"organizationId"`
	Timestamp      int64  `json:"timestamp"`
	Source         string `json:"source"`
	Cursor         string `json:"cursor"`
	Reason         string `json:"reason"`
	State          string `json:"state"`
	Reconnect      *bool  `json:"reconnect"`
	RetryMS        *int   `json:"retryMs"`
	Payload        struct {
		PropertyID     string `json:"propertyId"`
		EntityType     string `json:"entityType"`
		EntityID       string `json:"entityId"`
		MemberID       string `json:"memberId"`
		OrganizationID string `json:"organizationId"`
		Operation      string `json:"operation"`
		Data           *struct {
			Content string `json:"content"`
			Name    string `json:"name"`
		} `json:"data"`
		Changes map[string]change `json:"changes"`
	} `json:"payload"`

	place orgcast.Cursor // of an event or a reset
}

// change is what became of one column. What changed of a member's role is told as
// texts: it has none.
type change struct{ New any }

func (c *change) UnmarshalJSON(text []byte) error {
	if text[0] != '{' {
		return nil
	}
	var v struct {
		New any `json:"new"`
	}
	err := json.Unmarshal(text, &v)
	c.New = v.New
	return err
}

// connection is one answered request for a stream.
type connection struct {
	net.Conn
	*http.Response
	reader *bufio.Reader
}

// connect asks for a stream and reads the answer's head. The connection closes
// when ctx ends.
func connect(ctx context.Context, address, query, cookie, lastEventID string) (*connection, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	request := "GET /api/realtime/stream?" + query + " HTTP/1.1\r\nHost: " + address + "\r\nAccept: text/event-stream\r\nCookie: " + cookie + "\r\n"
	if lastEventID != "" {
		request += "Last-Event-ID: " + lastEventID + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		conn.Close()
		return nil, err
	}
	c := &connection{Conn: conn, reader: bufio.NewReaderSize(conn, 64<<10)}
	if c.Response, err = http.ReadResponse(c.reader, nil); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// next is the next block with data.
func (c *connection) next() (block, message, error) {
	for {
		b, err := readBlock(c.reader)
		if err != nil || b.data == "" {
			if err != nil {
				return b, message{}, err
			}
			continue
		}
		var m message
		if err := json.Unmarshal([]byte(b.data), &m); err != nil {
			return b, m, fmt.Errorf("data is no JSON: %w: %.200q", err, b.data)
		}
		return b, m, nil
	}
}

// open opens a stream for a test and reads up to its `ready`.
func open(t testing.TB, address, query, cookie, lastEventID string) (c *connection, ready message) {
	t.Helper()
	c, err := connect(within(t, time.Minute), address, query, cookie, lastEventID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if c.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(c.Body)
		t.Fatalf("stream %s: status %d %s", query, c.StatusCode, body)
	}
	return c, c.await(t, "ready")
}

func (c *connection) Close() error { return c.Conn.Close() }

// await reads up to a message of a type.
func (c *connection) await(t testing.TB, typ string) message {
	t.Helper()
	var seen []string
	for {
		_, m, err := c.next()
		if err != nil {
			t.Fatalf("await %s: %v, after %v", typ, err, seen)
		}
		if m.Type == typ {
			return m
		}
		seen = append(seen, m.Type+" "+m.Reason)
	}
}

// client is a browser with one stream: it behaves as EventSource does, and drops
// what is not after its cursor, as the contract lets it.
type client struct {
	name          string
	address       string
	cookie        string
	user          string
	organizations []string
	channel       string // "" is all
	obeys         bool   // waits as long as `retry:` says before it comes back
	app           bool   // what it hears is published over HTTP

	mu       sync.Mutex
	last     string // Last-Event-ID
	first    orgcast.Cursor
	reached  orgcast.Cursor // the furthest
	history  []message
	readies  int
	online   bool // ready was said on the connection at hand
	repeats  int
	connects int
	broken   []string // what no client may ever see
	closing  *message // that said not to come back
	refused  int      // the status that ended it
}

func (c *client) query() string {
	q := "organizationId=" + strings.Join(c.organizations, "&organizationId=")
	if c.channel != "" {
		q += "&channel=" + c.channel
	}
	return q
}

// run follows the stream through everything, until ctx ends or the server does
// not want it back.
func (c *client) run(ctx context.Context) {
	retry := 100 * time.Millisecond
	for ctx.Err() == nil {
		c.follow(ctx, &retry)
		c.mu.Lock()
		over := c.refused != 0
		c.mu.Unlock()
		if over {
			return
		}
		wait := rand.N(200 * time.Millisecond)
		if c.obeys {
			wait += retry
		}
		pause(ctx, wait)
	}
}

// follow is one connection.
func (c *client) follow(ctx context.Context, retry *time.Duration) {
	c.mu.Lock()
	last := c.last
	c.connects++
	c.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := connect(ctx, c.address, c.query(), c.cookie, last)
	if err != nil {
		return // nobody is there
	}
	defer func() {
		conn.Close()
		c.mu.Lock()
		c.online = false
		c.mu.Unlock()
	}()
	switch conn.StatusCode {
	case http.StatusOK:
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return // later
	default:
		c.mu.Lock()
		c.refused = conn.StatusCode
		c.mu.Unlock()
		return
	}
	for {
		b, err := readBlock(conn.reader)
		if err != nil {
			if strings.Contains(err.Error(), "no stream has") {
				c.complain("%v", err)
			}
			return
		}
		if ms, err := strconv.Atoi(b.retry); err == nil {
			*retry = time.Duration(ms) * time.Millisecond
		}
		c.take(b)
	}
}

func (c *client) complain(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = append(c.broken, fmt.Sprintf(format, args...))
}

// take takes one whole block.
func (c *client) take(b block) {
	var m message
	if b.data != "" {
		if err := json.Unmarshal([]byte(b.data), &m); err != nil {
			c.complain("data is no JSON: %v: %.200q", err, b.data)
			return
		}
	}
	var at orgcast.Cursor
	if b.id != "" {
		var err error
		if at, err = orgcast.ParseCursor(b.id); err != nil {
			c.complain("id %q: %v", b.id, err)
			return
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	bad := func(format string, args ...any) { c.broken = append(c.broken, fmt.Sprintf(format, args...)) }
	before := c.reached
	if b.id != "" {
		switch {
		case c.last == "":
			c.first = at
		case at.Epoch != before.Epoch:
			bad("epoch changed from %v to %v at %.200q", before, at, b.data)
		}
		c.last = b.id // as EventSource, wherever it goes
		if at.Epoch != before.Epoch || at.Compare(before) > 0 {
			c.reached = at
		}
	}
	switch m.Type {
	case "": // a heartbeat
	case "connection", "status":
	case "ready":
		c.readies++
		c.online = true
		if b.id == "" || m.Cursor != b.id {
			bad("ready with id %q and cursor %q", b.id, m.Cursor)
		}
		if at.Compare(before) < 0 {
			bad("ready went back from %v to %v", before, at)
		}
	case "closing":
		if m.Reconnect == nil || m.RetryMS == nil {
			bad("closing without reconnect or retryMs: %s", b.data)
		} else if !*m.Reconnect {
			c.closing = &m
		}
	case "reset":
		m.place = at
		if m.Reason != "moved" || b.id == "" || m.Cursor != b.id {
			bad("reset %q, id %q, cursor %q, at %v", m.Reason, b.id, m.Cursor, before)
			return
		}
		c.keep(m, before)
	default:
		m.place = at
		if b.id == "" || m.ID != b.id {
			bad("event with id %q in the block and %q in it", b.id, m.ID)
			return
		}
		source := "postgres"
		if c.app {
			source = "app"
		}
		if o := m.Payload.OrganizationID; m.Source != source || o != "" && o != m.OrganizationID {
			bad("event of %q from %q, with organization %q in its payload", m.OrganizationID, m.Source, o)
		}
		c.keep(m, before)
	}
}

// keep appends an event if it is after the cursor. c.mu is held.
func (c *client) keep(m message, before orgcast.Cursor) {
	if m.place.Compare(before) <= 0 {
		c.repeats++
		return
	}
	c.history = append(c.history, m)
}

// state is a copy of some of the client's state.
func (c *client) state() (readies int, reached orgcast.Cursor, closing *message, refused int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.readies, c.reached, c.closing, c.refused
}
