package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/publish"
	"github.com/oikion/orgcast/internal/server"
)

// publisher puts what is published over HTTP into the WAL, and answers with where
// the change feed found it. It decides nothing that lasts: whether a request was
// done before is the log's to say, by the place of its message in the WAL.
type publisher struct {
	keys     *publish.Store
	secret   *publish.Secret
	receipts *publish.Receipts
	// places tells who and what there is, as far as the feed has come.
	places interface {
		Exists(orgcast.OrganizationID) bool
		Membership(orgcast.UserID, orgcast.OrganizationID) (orgcast.Membership, bool)
	}
	fresh func() error
	// catchUp waits until the feed has passed all that was committed.
	catchUp func(context.Context) error
	emit    func(ctx context.Context, seal func(time.Time) ([][]byte, error)) error
	// durable waits until the log keeps what has its place at a cursor.
	durable func(context.Context, orgcast.Cursor) error
	done    func(outcome)
}

// outcome is how a call to publish ended: a label for a counter.
type outcome string

// The outcomes.
const (
	outcomePublished outcome = "published"
	outcomeRepeated  outcome = "repeated" // answered with what came of the same request before
	outcomeRefused   outcome = "refused"  // by key, scope or content
	outcomeDown      outcome = "down"
	outcomeUnknown   outcome = "unknown"
)

// CheckKey tells whether bearer is an API key. A file of keys that can't be read
// makes no known key unknown, and of an unknown one nothing can be said.
func (p *publisher) CheckKey(bearer string) error {
	_, err := p.find(bearer)
	return err
}

func (p *publisher) find(bearer string) (*publish.Key, error) {
	key, err := p.keys.Find(bearer)
	if err == nil {
		return key, nil
	}
	if broken := p.keys.Health(); broken != nil {
		return nil, fmt.Errorf("%w: %w", server.ErrFeedDown, broken)
	}
	return nil, server.ErrKey
}

// Publish says the events of a body, or answers what was answered before.
func (p *publisher) Publish(ctx context.Context, bearer, idempotencyKey string, body []byte) (server.Published, error) {
	published, how, err := p.publish(ctx, bearer, idempotencyKey, body)
	p.done(how)
	return published, err
}

func (p *publisher) publish(ctx context.Context, bearer, idempotencyKey string, body []byte) (server.Published, outcome, error) {
	key, err := p.find(bearer)
	if err != nil {
		return server.Published{}, outcomeRefused, err
	}
	drafts, problems := publish.Read(body, publish.LimitHTTP)
	if len(problems) > 0 {
		return server.Published{}, outcomeRefused, invalid(problems)
	}
	if problems := outside(key.Scope, drafts); len(problems) > 0 {
		return server.Published{}, outcomeRefused, errors.Join(server.ErrScope, invalid(problems))
	}
	batch := publish.Sealed{ID: publish.NewID(), Key: key.ID, Drafts: drafts}
	if idempotencyKey != "" {
		batch.Idempotency = publish.IdempotencyID(key.ID, idempotencyKey, body)
		// Before anything is asked for again: those whom it was for may be gone.
		if receipt := p.receipts.Request(batch.Idempotency, time.Now()); receipt != nil && receipt.Complete() {
			return p.answer(ctx, &batch, receipt)
		}
	}
	if err := p.fresh(); err != nil {
		return server.Published{}, outcomeDown, fmt.Errorf("%w: %w", server.ErrFeedDown, err)
	}
	if p.receipts.Full(time.Now()) {
		return server.Published{}, outcomeDown, fmt.Errorf("%w: %w", server.ErrFeedDown, errReceiptsFull)
	}
	if problems, err := p.absent(ctx, drafts); err != nil {
		return server.Published{}, outcomeDown, fmt.Errorf("%w: %w", server.ErrFeedDown, err)
	} else if len(problems) > 0 {
		return server.Published{}, outcomeRefused, invalid(problems)
	}
	err = p.emit(ctx, func(now time.Time) ([][]byte, error) {
		batch.IssuedAt = now
		return publish.Seal(p.secret, &batch)
	})
	if errors.Is(err, errNotEmitted) {
		return server.Published{}, outcomeDown, fmt.Errorf("%w: %w", server.ErrFeedDown, err)
	}
	// Else the feed will tell, whatever became of the connection.
	receipt, waited := p.await(ctx, &batch)
	if waited != nil {
		return server.Published{}, outcomeUnknown, errors.Join(server.ErrUnknownOutcome, err, waited)
	}
	return p.answer(ctx, &batch, receipt)
}

var errReceiptsFull = orgcast.WithHint("remember batch", fmt.Errorf("%d batches are remembered already", publish.MaxReceipts),
	"Publish several events in one call, and send an Idempotency-Key only with what must not come twice.")

// outside lists what is not the key's to say.
func outside(scope publish.Scope, drafts []publish.Draft) (problems []publish.Problem) {
	for i := range drafts {
		if problem := scope.Check(&drafts[i]); problem != nil {
			problems = append(problems, *problem)
		}
	}
	return problems
}

// absent lists the events that are for nobody. None is called absent before the
// feed has caught up with the database.
func (p *publisher) absent(ctx context.Context, drafts []publish.Draft) ([]publish.Problem, error) {
	if len(p.missing(drafts)) == 0 {
		return nil, nil
	}
	if err := p.catchUp(ctx); err != nil {
		return nil, err
	}
	return p.missing(drafts), nil
}

func (p *publisher) missing(drafts []publish.Draft) (problems []publish.Problem) {
	for i := range drafts {
		d := &drafts[i]
		user := d.Audience.User
		switch {
		case d.Organization == orgcast.Everyone:
		case !p.places.Exists(d.Organization):
			problems = append(problems, publish.Problem{Index: i, Field: "organizationId", Problem: "is no existing organization"})
		case user != "":
			if _, member := p.places.Membership(user, d.Organization); !member {
				problems = append(problems, publish.Problem{Index: i, Field: "payload.userId", Problem: "is no member of the organization"})
			}
		}
	}
	return problems
}

// await waits until the feed has found the batch, or another one of the same
// request before it.
func (p *publisher) await(ctx context.Context, batch *publish.Sealed) (*publish.Receipt, error) {
	for {
		changed := p.receipts.Changed()
		if receipt := p.receipts.Batch(batch.ID); receipt != nil && receipt.Complete() {
			return receipt, nil
		}
		if batch.Idempotency != [32]byte{} {
			// As of the time that the feed judges it by, not of ours.
			if receipt := p.receipts.Request(batch.Idempotency, batch.IssuedAt); receipt != nil && receipt.Complete() {
				return receipt, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the change feed: %w", ctx.Err())
		}
	}
}

// answer answers with a receipt's cursors, once the log keeps them.
func (p *publisher) answer(ctx context.Context, batch *publish.Sealed, receipt *publish.Receipt) (server.Published, outcome, error) {
	if err := p.durable(ctx, receipt.Last()); err != nil {
		return server.Published{}, outcomeUnknown, errors.Join(server.ErrUnknownOutcome, err)
	}
	how := outcomePublished
	if receipt.ID != batch.ID {
		how = outcomeRepeated
	}
	return server.Published{Cursors: receipt.Cursors()}, how, nil
}

// invalid is the problems in the server's words.
func invalid(problems []publish.Problem) *server.Invalid {
	list := make([]server.Problem, len(problems))
	for i, p := range problems {
		list[i] = server.Problem{Index: p.Index, Field: p.Field, Problem: p.Problem}
	}
	return &server.Invalid{Problems: list}
}
