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

// refusals logs published events that were not sent. One that was asked for twice
// is no trouble: it is counted only.
func refusals(log *slog.Logger) func(publish.Reason, []publish.Problem) {
	now := rate.Sometimes{First: maxRefusalLines, Interval: refusalEvery}
	return func(reason publish.Reason, problems []publish.Problem) {
		if reason == publish.ReasonRepeated {
			return
		}
		now.Do(func() {
			log.Warn("published event was refused", "reason", reason, "problems", problems,
				"hint", "See docs/OPERATIONS.md, messages_refused_total.")
		})
	}
}
