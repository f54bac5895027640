package app

import (
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"github.com/oikion/orgcast/internal/publish"
)

// maxRefusalLines is how many of the first refusals are logged; then one in
// refusalEvery. Any database role can emit a message, a million of them too: all
// are counted.
const (
	maxRefusalLines = 10
	refusalEvery    = 10 * time.Second
)

// refusals logs events published by SQL that were not sent.
func refusals(log *slog.Logger) func(publish.Reason, []publish.Problem) {
	now := rate.Sometimes{First: maxRefusalLines, Interval: refusalEvery}
	return func(reason publish.Reason, problems []publish.Problem) {
		now.Do(func() {
			log.Warn("event published by SQL was refused", "reason", reason, "problems", problems,
				"hint", "See docs/OPERATIONS.md, messages_refused_total.")
		})
	}
}
