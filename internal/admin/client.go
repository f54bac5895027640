package admin

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
)

// ErrUnreachable: nobody listens at the address. A process that runs would.
var ErrUnreachable = errors.New("nobody answers")

// Client speaks to the operator's listener of a running process.
type Client struct {
	base  string
	host  string // the Host header; "" for the base's
	token string
	http  *http.Client
}

// ClientConfig says where a process is reached.
type ClientConfig struct {
	// URL is http://host:port, or https. Host, if not empty, is the Host header.
	URL, Host string
	// Token, if not empty, is sent with every call.
	Token string
}

const (
	dialTimeout = 5 * time.Second
	// tailSilence is after how long a tail that says nothing is given up: it has a
	// heartbeat every 15 s.
	tailSilence = 3 * tailBeat
	// maxLine is more than any line has: an event is at most 64 KiB, but for the
	// names of its users.
	maxLine = 4 << 20
	// maxProblem is how much of a refusal is shown.
	maxProblem = 500
)

// NewClient returns a client. It follows no redirect and knows no proxy: the token
// goes where it was configured to go.
func NewClient(c ClientConfig) *Client {
	return &Client{base: strings.TrimSuffix(c.URL, "/"), host: c.Host, token: c.Token, http: &http.Client{
		Transport:     &http.Transport{DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Purge has the process purge an organization.
func (c *Client) Purge(ctx context.Context, organization orgcast.OrganizationID) (p Purged, err error) {
	body, err := codec.Marshal(map[string]orgcast.OrganizationID{"organizationId": organization})
	if err != nil {
		return p, fmt.Errorf("write call: %w", err)
	}
	return p, c.ask(ctx, http.MethodPost, "purge", nil, body, &p)
}

// Explain asks for an explanation; an empty cursor and user are not asked about.
func (c *Client) Explain(ctx context.Context, organization orgcast.OrganizationID, cursor string, user orgcast.UserID) (e Explanation, err error) {
	q := url.Values{"organizationId": {string(organization)}}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	if user != "" {
		q.Set("userId", string(user))
	}
	return e, c.ask(ctx, http.MethodGet, "explain", q, nil, &e)
}

func (c *Client) ask(ctx context.Context, method, call string, q url.Values, body []byte, v any) error {
	response, err := c.do(ctx, method, call, q, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxLine))
	if err != nil {
		return fmt.Errorf("%s: read answer: %w", call, err)
	}
	// A newer process may say more than is known here.
	if err := codec.Loose(text, v); err != nil {
		return c.foreign(call)
	}
	return nil
}

// TailQuery is what a tail follows. After is a cursor, "oldest", or empty for what
// comes from now on.
type TailQuery struct {
	Organization    orgcast.OrganizationID
	Channels, Types []string
	After           string
}

// Tail calls each with every line and its text until ctx ends, the process stops
// (nil, after its closing line) or each returns an error.
func (c *Client) Tail(ctx context.Context, t TailQuery, each func(l Line, text []byte) error) error {
	q := url.Values{"organizationId": {string(t.Organization)}, "channel": t.Channels, "type": t.Types}
	if t.After != "" {
		q.Set("after", t.After)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := time.AfterFunc(tailSilence, func() {
		cancel(orgcast.WithHint("tail", fmt.Errorf("nothing was heard for %s", tailSilence), "Look at the network, and at /healthz."))
	})
	defer silent.Stop()
	response, err := c.do(ctx, http.MethodGet, "tail", q, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.Header.Get("Content-Type") != tailType {
		return c.foreign("tail")
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, maxLine)
	lines.Split(wholeLines)
	for lines.Scan() {
		silent.Reset(tailSilence)
		var l Line
		if err := codec.Loose(lines.Bytes(), &l); err != nil {
			return c.foreign("tail")
		}
		if err := each(l, lines.Bytes()); err != nil {
			return err
		}
		if l.Control == ControlClosing {
			return nil
		}
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return orgcast.WithHint("tail", errors.New("it was cut without a word"),
		"Whoever takes nothing for 10 s is cut (orgcast_tails_ended_total, slow_consumer): go on with --after and the last cursor.")
}

// wholeLines splits lines; what the end cuts is none.
func wholeLines(data []byte, _ bool) (advance int, line []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	return 0, nil, nil
}

// do makes a call; an answer other than 200 is an error.
func (c *Client) do(ctx context.Context, method, call string, q url.Values, body []byte) (*http.Response, error) {
	address := c.base + "/api/realtime/" + call
	if len(q) > 0 {
		address += "?" + q.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, orgcast.WithHint(call, errors.New("the operator's address can't be read"), "Write http://host:port.")
	}
	r.Host = c.host
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(r)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // it would show the query
	}
	switch {
	case err != nil && context.Cause(ctx) != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, orgcast.WithHint(call, fmt.Errorf("%w at %s", ErrUnreachable, c.base), "Start orgcast serve, or name its operator's listener: --url, or ORGCAST_ADMIN_LISTEN as serve has it.")
	case err != nil:
		return nil, orgcast.WithHint(call, err, "Look at the operator's listener: --url, or ORGCAST_ADMIN_LISTEN as serve has it.")
	case response.StatusCode == http.StatusOK:
		return response, nil
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxProblem))
	if err != nil {
		return nil, fmt.Errorf("%s: read refusal: %w", call, err)
	}
	return nil, orgcast.WithHint(call, fmt.Errorf("%d %s", response.StatusCode, strings.TrimSpace(string(text))), c.cure(response.StatusCode))
}

func (c *Client) cure(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "Set ORGCAST_ADMIN_TOKEN, or ORGCAST_ADMIN_TOKEN_FILE, as serve has it."
	case http.StatusMisdirectedRequest:
		return "Name the listener as its ORGCAST_ADMIN_HOSTS does."
	case http.StatusNotFound:
		return "This is no operator's listener of this version: compare orgcast version."
	case http.StatusServiceUnavailable:
		return "The change feed was never ready yet: see /readyz."
	case http.StatusConflict, http.StatusTooManyRequests:
		return "Wait until the other one is over."
	case http.StatusInternalServerError:
		return "See the log of orgcast serve."
	case http.StatusBadRequest:
		return "Correct what it names."
	}
	return "Name the operator's listener itself: --url, or ORGCAST_ADMIN_LISTEN as serve has it."
}

func (c *Client) foreign(call string) error {
	return orgcast.WithHint(call, fmt.Errorf("what %s answers is not orgcast's", c.base), "Name the operator's listener: --url, or ORGCAST_ADMIN_LISTEN as serve has it.")
}
