package pgoutput

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/oikion/orgcast"
)

// What PostgreSQL 15 itself sent for testdata/capture.sql.
//
//go:embed testdata/postgres15.hex
var capture []byte

// captured returns the captured frames, each in memory of its own size.
func captured(t testing.TB) [][]byte {
	t.Helper()
	var frames [][]byte
	for line := range bytes.Lines(capture) {
		frame, err := hex.DecodeString(string(bytes.TrimSpace(line)))
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, frame)
	}
	return frames
}

func TestDecodeReadsWhatPostgreSQLSent(t *testing.T) {
	want := []string{
		`begin 735 0/1933328 0/0 13:36:45.126991`,
		`message #0 true orgcast.actor {"userId":"u1"}`,
		`type`,
		`relation 16391 public.organizations d id:25/-1* plan:16386/-1`,
		`insert #1 organizations => ("org_a", "FREE")`,
		`relation 16398 public.properties f id:25/-1* organizationId:25/-1* price:1700/786438* features:3802/-1* description:25/-1*`,
		`insert #2 properties => ("p1", "org_a", "10.50", "{\"sea\": true}", xxx…2100)`,
		`relation 16410 public.notes i body:25/-1 organizationId:25/-1* slug:25/-1*`,
		`insert #3 notes => ("Καλημέρα\n", "org_a", sss…2100)`,
		`commit 735 0/1933328 0/1933360 13:36:45.126991`,
		`begin 738 0/19348C8 0/0 13:36:45.127751`,
		`update #0 properties ("p1", "org_a", "10.50", "{\"sea\": true}", xxx…2100) => ("p1", "org_a", "11.00", "{\"sea\": true}", xxx…2100)`,
		`relation 16398 public.properties f id:25/-1* organizationId:25/-1* price:1700/786438* features:3802/-1* description:25/-1* archivedAt:1114/3*`,
		`update #1 properties ("p1", "org_a", "11.00", "{\"sea\": true}", xxx…2100, null) => ("p1", "org_a", "11.00", "{\"sea\": true}", xxx…2100, "2025-11-23 07:20:00")`,
		`commit 738 0/19348C8 0/1934950 13:36:45.127751`,
		`begin 739 0/19363A0 0/0 13:36:45.128131`,
		`update #0 notes key (-, "org_a", sss…2100) => (null, "org_a", sss…2100)`,
		`update #1 notes key (-, "org_a", sss…2100) => (null, "org_b", sss…2100)`,
		`commit 739 0/19363A0 0/19363D0 13:36:45.128131`,
		`message #0 false orgcast not transactional`,
		`begin 740 0/19376B8 0/0 13:36:45.128892`,
		`update #0 organizations => ("org_a", "PRO")`,
		`delete #1 organizations key ("org_a", -)`,
		`relation 16398 public.properties f id:25/-1* organizationId:25/-1* price:1700/786438* features:3802/-1* description:25/-1* archivedAt:1114/3*`,
		`delete #2 properties ("p1", "org_a", "11.00", "{\"sea\": true}", xxx…2100, "2025-11-23 07:20:00")`,
		`delete #3 notes key (-, "org_b", sss…2100)`,
		`commit 740 0/19376B8 0/19376E8 13:36:45.128892`,
		`begin 741 0/1938DF8 0/0 13:36:45.131016`,
		`type`,
		`relation 16391 public.organizations d id:25/-1* plan:16386/-1`,
		`relation 16398 public.properties f id:25/-1* organizationId:25/-1* price:1700/786438* features:3802/-1* description:25/-1* archivedAt:1114/3*`,
		`truncate #0 organizations properties`,
		`commit 741 0/1938DF8 0/1939098 13:36:45.131016`,
	}
	d := NewDecoder()
	var got []string
	for _, frame := range captured(t) {
		got = append(got, describe(feed(t, d, frame)))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// describe writes a message on one line. A text of more than 20 bytes is its
// first three and its length; - is absent, ? unchanged.
func describe(m *Message) string {
	line := m.Kind.String()
	if tx := m.Transaction; tx != (orgcast.Transaction{}) {
		line += fmt.Sprintf(" %d %v %v %s", tx.XID, tx.CommitLSN, tx.EndLSN, tx.CommitTime.Format("15:04:05.000000"))
	}
	if r := m.Relation; r != nil {
		line += fmt.Sprintf(" %d %s.%s %c", r.OID, r.Schema, r.Name, r.Identity)
		for _, c := range r.Columns {
			line += fmt.Sprintf(" %s:%d/%d", c.Name, c.TypeOID, c.TypeMod)
			if c.Key {
				line += "*"
			}
		}
	}
	c := m.Change
	if c == nil {
		return line
	}
	line += fmt.Sprintf(" #%d", c.Ordinal)
	if c.Relation != nil {
		line += " " + c.Relation.Name
	}
	if c.OldIsKey {
		line += " key"
	}
	if c.Old != nil {
		line += " " + describeRow(c.Old)
	}
	if c.New != nil {
		line += " => " + describeRow(c.New)
	}
	for _, r := range c.Truncated {
		line += " " + r.Name
	}
	if c.Operation == orgcast.Message {
		line += fmt.Sprintf(" %v %s %s", c.Transactional, c.Prefix, c.Content)
	}
	return line
}

func describeRow(values []orgcast.Value) string {
	var columns []string
	for _, v := range values {
		switch {
		case v.Kind == orgcast.Absent:
			columns = append(columns, "-")
		case v.Kind == orgcast.Unchanged:
			columns = append(columns, "?")
		case v.Kind == orgcast.Null:
			columns = append(columns, "null")
		case len(v.Text) > 20:
			columns = append(columns, fmt.Sprintf("%s…%d", v.Text[:3], len(v.Text)))
		default:
			columns = append(columns, fmt.Sprintf("%q", v.Text))
		}
	}
	return "(" + strings.Join(columns, ", ") + ")"
}
