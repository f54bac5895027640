package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/hub"
	"github.com/oikion/orgcast/internal/server"
)

// Page fills a page from a stream of its own, which ends with it. Nothing of what
// a stream may see is decided here.
func (s streams) Page(ctx context.Context, q server.StreamRequest, members []orgcast.Membership, want server.PageRequest) (server.Page, error) {
	stream := s.hub.Register(spec(q))
	defer stream.Close()
	wake := newWake()
	stream.Start(members, time.Now(), wake.wake)
	page := hub.Page{Limit: want.Limit, MaxBytes: want.MaxBytes}
	if err := s.driver.Page(ctx, stream, wake, want.Wait, &page); err != nil {
		return server.Page{}, fmt.Errorf("read page: %w", err)
	}
	switch page.Ended {
	case orgcast.ClosingShutdown, orgcast.ClosingByOperator:
		return server.Page{}, fmt.Errorf("read page: ended: %s", page.Ended)
	}
	// Of a membership that ended the server makes sure itself.
	return server.Page{Events: page.Events, Cursor: page.Cursor, Reset: page.Reset}, nil
}

var errNoPosition = errors.New("read position: the change feed has none yet")

// Position is the watermark: the barrier, which the server has waited for, is
// told of a transaction after it was dispatched. What lies before it is visible
// to every read that follows.
func (s streams) Position(ctx context.Context) (orgcast.Cursor, error) {
	at := s.hub.Position()
	if at.Epoch == 0 {
		return at, errNoPosition
	}
	return at, s.source.visible(ctx)
}

// SetFilter gives a user's open stream another filter.
func (s streams) SetFilter(user orgcast.UserID, id string, filter orgcast.Filter) bool {
	return s.hub.SetFilter(user, id, filter)
}

// Close ends a user's open stream.
func (s streams) Close(user orgcast.UserID, id string) bool { return s.hub.End(user, id) }
