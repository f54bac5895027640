package hub

import (
	"testing"
	"time"

	"github.com/oikion/orgcast"
	"pgregory.net/rapid"
)

// TestEveryStreamGetsExactlyWhatTheModelSays is the heart of this room: whatever
// happens in whichever order, a stream gets the events that it may see and
// wants, each once, in the order of the commits, up to its end; and whatever it
// is told beside them is true.
func TestEveryStreamGetsExactlyWhatTheModelSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{
			t: t, now: time.UnixMilli(1763881200000), epoch: 1, end: 100, feed: orgcast.FeedLive,
			log:     &memoryLog{epoch: 1, floor: orgcast.Position(1, 100)},
			members: &memoryMembers{rows: map[place]orgcast.Membership{}},
			config: Config{
				TailBytes:    200,
				TotalBytes:   rapid.SampledFrom([]int{1, 5_000, 1 << 20}).Draw(t, "total"),
				StepBytes:    rapid.SampledFrom([]int{1, 700, 1 << 20}).Draw(t, "step"),
				ReplayEvents: rapid.SampledFrom([]int{3, 20, 1000}).Draw(t, "replay"),
				Lease:        30 * time.Minute,
				CatchUp:      rapid.SampledFrom([]time.Duration{5 * time.Second, time.Hour}).Draw(t, "catch up"),
			},
		}
		if rapid.Bool().Draw(t, "roomy") {
			w.config.TailBytes = 20_000
		}
		for _, u := range users {
			for _, o := range organizations {
				w.members.set(place{u, o}, rapid.SampledFrom(roles).Draw(t, "role"), 0)
			}
		}
		for _, id := range sessionIDs {
			w.drawSession(id)
		}
		w.hub = New(w.log, w.members, w.config)
		w.hub.Reset(w.epoch, w.end)
		w.hub.SetFeed(orgcast.FeedLive, w.now)
		for range rapid.IntRange(1, 150).Draw(t, "actions") {
			w.act()
			if w.hub.tailBytes > w.config.TotalBytes {
				t.Fatalf("the tails hold %d bytes of %d", w.hub.tailBytes, w.config.TotalBytes)
			}
		}
		w.settle()
		w.confirmAll()
		w.settle()
		w.hub.Shutdown()
		w.closing = true
		for _, c := range w.clients {
			if c.end == nil || c.end.reason.Reconnect() {
				c.end = &end{reason: orgcast.ClosingShutdown}
			}
		}
		w.settle()
		for _, c := range w.clients {
			if c.started && !c.done {
				t.Fatalf("a stream outlives the shutdown: %+v", c)
			}
			c.stream.Close()
			c.stream.Close()
		}
		if n := len(w.hub.streams) + len(w.hub.tails) + len(w.hub.sessions) + w.hub.tailBytes; n != 0 {
			t.Fatalf("all is closed, and %d streams, %d tails, %d sessions and %d bytes are left", len(w.hub.streams), len(w.hub.tails), len(w.hub.sessions), w.hub.tailBytes)
		}
	})
}

func (w *world) confirmAll() {
	w.feed = orgcast.FeedLive
	w.hub.SetFeed(w.feed, w.now)
	for _, c := range w.clients {
		if c.started && !c.done && c.confirmed == nil {
			at := w.watermark()
			c.confirmed = &at
			c.stream.Confirmed()
		}
	}
}
