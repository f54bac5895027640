package delivery

import (
	"context"
	"time"

	"github.com/oikion/orgcast/internal/hub"
)

// Page fills a page: with what there is or, if that is nothing, with what comes
// first within wait. The caller has started the stream with a wake that sends on
// wake, which has room for one. An error, which may be that of ctx, says that
// there is no page.
func (d *Handler) Page(ctx context.Context, s *hub.Stream, wake <-chan struct{}, wait time.Duration, p *hub.Page) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	confirmed := false
	for {
		step := s.Fill(p, time.Now())
		switch {
		case step.Done:
			return nil
		case step.Load:
			if err := s.Load(ctx); err != nil {
				return err
			}
			continue
		case step.More:
			continue
		case p.Ahead && !confirmed:
			// A cursor that the database has not come to is one of another database:
			// its client would wait for ever.
			if err := d.Barrier.Wait(ctx); err != nil {
				return err
			}
			confirmed = true
			s.Confirmed()
			continue
		}
		select {
		case <-wake:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
