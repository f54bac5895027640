package replication

import "testing"

func TestWhoCountsAsAStandbyIsReadFromTheSetting(t *testing.T) {
	for names, want := range map[string]bool{
		"": false, "a": false, "a, b": false, "FIRST 2 (a, b)": false, `ANY 1 ("a-b", orgcast2)`: false,
		"*": true, "orgcast": true, "a,ORGCAST": true, "FIRST 1 (*)": true, `ANY 2 (a,"orgcast")`: true, `2 (a, "*")`: true,
	} {
		if got := CountsAsStandby(names); got != want {
			t.Errorf("%q: %v", names, got)
		}
	}
}
