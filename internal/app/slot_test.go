package app

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oikion/orgcast/internal/replication"
)

// TestASlotThatKeepsMuchIsSaidOnceEachTime: a burst is no alarm, what stays is one,
// early enough where the server bounds it.
func TestASlotThatKeepsMuchIsSaidOnceEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		e := &slotEye{log: slog.New(slog.NewTextHandler(&out, nil))}
		little := &replication.Slot{Name: "s", RetainedBytes: 16 << 20, SafeBytes: 48 << 20, Limited: true}
		bounded := &replication.Slot{Name: "s", RetainedBytes: 40 << 20, SafeBytes: 24 << 20, Limited: true}
		unbounded := &replication.Slot{Name: "s", RetainedBytes: 2 << 30}
		see := func(warnings, infos int, slots ...*replication.Slot) {
			t.Helper()
			for _, s := range slots {
				e.saw(s)
				<-time.After(10 * time.Second)
			}
			if w, i := strings.Count(out.String(), "keeps much"), strings.Count(out.String(), "keeps little"); w != warnings || i != infos {
				t.Fatalf("%d warnings and %d of their end, want %d and %d:\n%s", w, i, warnings, infos, out.String())
			}
		}
		see(0, 0, little, bounded, bounded, little, unbounded, nil, little)
		see(1, 0, bounded, bounded, bounded, bounded, unbounded)
		see(1, 1, little, little)
		see(2, 1, unbounded, unbounded, unbounded)
		see(2, 1, &replication.Slot{Name: "s", WALStatus: "lost"}, unbounded)
		for _, want := range []string{"lost after another 25165824 bytes", "without a bound", "orgcast doctor"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("it is not said that %q:\n%s", want, out.String())
			}
		}
		e.saw(nil)
		if e.last.Load() != unbounded {
			t.Error("what was seen last is forgotten")
		}
	})
}
