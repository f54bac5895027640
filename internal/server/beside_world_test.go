package server

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/oikion/orgcast"
)

// The ids of an open stream of user_a, of one of user_b, and of none.
const (
	ownID     = "AAAAAAAAAAAAAAAAAAAAAA"
	foreignID = "BBBBBBBBBBBBBBBBBBBBBA"
	unknownID = "____________________-w"
)

// beside is what is around the calls beside the stream.
type beside struct {
	position func(context.Context) (orgcast.Cursor, error)
	page     func(context.Context, StreamRequest, []orgcast.Membership, PageRequest) (Page, error)
	owners   map[string]orgcast.UserID
	filters  map[string]orgcast.Filter
	closed   []string
	noKey    error
	publish  func(ctx context.Context, key, idempotencyKey string, body []byte) (Published, error)
	failed   []error // what the Failed hook was told
}

// newWholeWorld is one in which all calls are there.
func newWholeWorld() *world {
	w := newWorld()
	w.whole = true
	w.position = func(context.Context) (orgcast.Cursor, error) {
		return orgcast.Cursor{Epoch: 723, LSN: 1, Index: 2}, nil
	}
	w.page = func(context.Context, StreamRequest, []orgcast.Membership, PageRequest) (Page, error) {
		return Page{Cursor: orgcast.Cursor{Epoch: 723, LSN: 1}}, nil
	}
	w.owners = map[string]orgcast.UserID{ownID: "user_a", foreignID: "user_b"}
	w.filters = map[string]orgcast.Filter{}
	w.beside.publish = func(context.Context, string, string, []byte) (Published, error) {
		return Published{[]orgcast.Cursor{{Epoch: 723, LSN: 1}}}, nil
	}
	return w
}

func (w *world) Position(ctx context.Context) (orgcast.Cursor, error) {
	w.note("position")
	return w.position(ctx)
}

func (w *world) Page(ctx context.Context, asked StreamRequest, members []orgcast.Membership, want PageRequest) (Page, error) {
	w.note("page")
	return w.page(ctx, asked, members, want)
}

func (w *world) SetFilter(user orgcast.UserID, id string, f orgcast.Filter) bool {
	w.note("set filter")
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.owners[id] != user {
		return false
	}
	w.filters[id] = f
	return true
}

func (w *world) Close(user orgcast.UserID, id string) bool {
	w.note("close stream")
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.owners[id] != user {
		return false
	}
	w.closed = append(w.closed, id)
	return true
}

func (w *world) CheckKey(key string) error {
	w.note("check key")
	if w.noKey != nil {
		return w.noKey
	}
	if key != "orgc_good" {
		return ErrKey
	}
	return nil
}

func (w *world) Publish(ctx context.Context, key, idempotencyKey string, body []byte) (Published, error) {
	w.note("publish")
	return w.beside.publish(ctx, key, idempotencyKey, body)
}

func (w *world) failures() []error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.failed)
}

func goodCursor() *ask {
	a := goodAsk()
	a.path = "/api/realtime/cursor"
	return a
}

func goodPage() *ask {
	a := goodAsk()
	a.path = "/api/realtime/events"
	return a
}

func goodFilter() *ask {
	a := goodAsk()
	a.method, a.query, a.body = "PUT", url.Values{"connectionId": {ownID}}, `{"channels":["property"],"types":[]}`
	a.header["Content-Type"] = []string{"application/json"}
	return a
}

func goodClose() *ask {
	a := goodAsk()
	a.method, a.query = "DELETE", url.Values{"connectionId": {ownID}}
	return a
}

func goodPublish() *ask {
	return &ask{
		method: "POST", path: "/api/realtime/events", query: url.Values{}, body: `[]`,
		header: http.Header{"Host": {"app.example.com"}, "Connection": {"close"}, "Authorization": {"Bearer orgc_good"}, "Content-Type": {"application/json"}},
	}
}
