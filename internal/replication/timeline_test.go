package replication

import (
	"slices"
	"testing"
)

func TestTimelineHistoryIsReadAsPostgresWritesIt(t *testing.T) {
	got, err := parseTimelineHistory("# by hand\n\n1\t0/3000148\tno recovery target specified\n\n3\t1A/B\tbefore 2000-01-01 00:00:00+00\n")
	want := []TimelineSwitch{{1, 0x3000148}, {3, 0x1A_0000_000B}}
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("got %v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{"1", "x\t0/1\tr", "1\t0-1\tr", "2\t0/1\tr\n2\t0/2\tr", "99999999999\t0/1\tr"} {
		if got, err := parseTimelineHistory(bad); err == nil {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
}

func FuzzTimelineHistory(f *testing.F) {
	f.Add("1\t0/3000148\tno recovery target specified\n")
	f.Add("# c\n1 0/0 a\n2 FFFFFFFF/FFFFFFFF b")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseTimelineHistory(text)
		if err == nil && !slices.IsSortedFunc(got, func(a, b TimelineSwitch) int { return int(a.Timeline) - int(b.Timeline) }) {
			t.Fatalf("timelines out of order: %v", got)
		}
	})
}
