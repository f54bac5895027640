package app

import "testing"

func TestAServerThatAnotherTookOverFromIsPassedOver(t *testing.T) {
	for _, c := range []struct {
		name, system, segment string
		accepted              bool
	}{
		{"where the log was read", "7", "0000000B0000000000000001", true},
		{"a standby that took over", "7", "0000000C0000000000000001", true},
		{"the primary before", "7", "0000000A00000001000000FF", false},
		{"another cluster, which is another matter", "8", "000000010000000000000001", true},
		{"no answer", "7", "", false},
		{"nonsense", "7", "xyzxyzxyz", false},
	} {
		if err := earlier(7, 11, c.system, c.segment); (err == nil) != c.accepted {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
