package e2e_test

import (
	"strings"
	"testing"

	"github.com/oikion/orgcast"
)

// A judge that lets a lie pass is worth nothing.
func TestTheTruthFindsEveryLie(t *testing.T) {
	var want []fact
	var told []message
	for i := range uint64(4) {
		f := fact{lsn: 100 + i/2, ordinal: i % 2, millis: 5, organ: "org_1", typ: "data.sync", id: "note", op: "delete", optional: i == 2}
		m := message{Type: f.typ, OrganizationID: f.organ, Timestamp: 5, place: orgcast.Cursor{Epoch: 1, LSN: orgcast.LSN(f.lsn), Index: f.ordinal * 8}}
		m.Payload.EntityID, m.Payload.Operation = f.id, f.op
		want, told = append(want, f), append(told, m)
	}
	if lie := compare(want, told); lie != "" {
		t.Errorf("the truth is called a lie: %s", lie)
	}
	if lie := compare(want, append(told[:2:2], told[3])); lie != "" {
		t.Errorf("what may be withheld is called missing: %s", lie)
	}
	foreign, wrong := told[1], told[1]
	foreign.OrganizationID, wrong.Payload.Operation = "org_10", "update"
	for name, lie := range map[string]struct {
		told []message
		want string
	}{
		"a gap":            {append(told[:1:1], told[2:]...), "want"},
		"a gap at the end": {told[:3], "missing"},
		"a repeat":         {append(told[:2:2], told[1:]...), "want"},
		"a swap":           {[]message{told[1], told[0], told[2], told[3]}, "want"},
		"one too many":     {append(told[:4:4], told[3]), "too many"},
		"another's":        {[]message{told[0], foreign, told[2], told[3]}, "org_10"},
		"a wrong word":     {[]message{told[0], wrong, told[2], told[3]}, "update"},
	} {
		if got := compare(want, lie.told); !strings.Contains(got, lie.want) {
			t.Errorf("%s: %q, want %q in it", name, got, lie.want)
		}
	}
}
