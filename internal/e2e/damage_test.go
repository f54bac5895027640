package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// newest is the last, by name, of the log's files that match a pattern.
func newest(t testing.TB, dir, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no %s in %s: %v", pattern, dir, err)
	}
	return slices.Max(names)
}

// rewrite replaces a file by what edit makes of it.
func rewrite(t testing.TB, name string, edit func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, edit(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func erase(t testing.TB, name string) {
	t.Helper()
	if err := os.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
}

// trimmed is a file without the zeros that were allocated ahead.
func trimmed(b []byte) []byte { return bytes.TrimRight(b, "\x00") }

// TestADamagedLogIsNeverASilentGap damages the log of a killed server in each way
// that a disk, a crash or an operator may. A client that resumes from before
// either gets all that it has missed or is told to refetch; and then it is live.
func TestADamagedLogIsNeverASilentGap(t *testing.T) {
	t.Parallel()
	h := settled(t, 1)
	s := serve(t, h.environ, nil)
	s.ready(t)
	cookie := h.cookie(t, "user_1")
	data := s.environ["ORGCAST_DATA_DIR"]
	dir := filepath.Join(data, "log")
	conn := h.Conn(t)
	price := 100
	update := func(n int) {
		for range n {
			price++
			h.Exec(t, `UPDATE properties SET price = $1 WHERE id = 'property_1'`, price)
		}
	}
	copied := filepath.Join(t.TempDir(), "copy")
	for _, damage := range []struct {
		name string
		// confirmed: the slot has given up what the log had.
		confirmed bool
		do        func()
		cured     string // "slot": by reading again; "epoch"; "": either
	}{
		{"none", false, func() {}, "slot"},
		{"WAL torn", false, func() {
			rewrite(t, newest(t, dir, "*.log"), func(b []byte) []byte { b = trimmed(b); return b[:len(b)-200] })
		}, ""},
		{"WAL torn, confirmed", true, func() {
			rewrite(t, newest(t, dir, "*.log"), func(b []byte) []byte { b = trimmed(b); return b[:len(b)-200] })
		}, "epoch"},
		{"WAL zeroed", true, func() {
			rewrite(t, newest(t, dir, "*.log"), func(b []byte) []byte { clear(b[len(trimmed(b))-500:]); return b })
		}, "epoch"},
		{"WAL deleted", false, func() { erase(t, newest(t, dir, "*.log")) }, ""},
		{"WAL deleted, confirmed", true, func() { erase(t, newest(t, dir, "*.log")) }, "epoch"},
		{"a copy is kept", false, func() {
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
		}, "slot"},
		{"manifest marker deleted", false, func() { erase(t, newest(t, dir, "marker.manifest.*")) }, "epoch"},
		{"none again", false, func() {}, "slot"}, // its tables are those that follow
		{"manifest cut", false, func() {
			rewrite(t, newest(t, dir, "MANIFEST-*"), func(b []byte) []byte { return b[:len(b)-10] })
		}, "epoch"},
		{"none once more", false, func() {}, "slot"},
		{"table deleted", false, func() { erase(t, newest(t, dir, "*.sst")) }, "epoch"},
		{"none at last", false, func() {}, "slot"},
		{"table damaged", false, func() {
			rewrite(t, newest(t, dir, "*.sst"), func(b []byte) []byte { b[20] ^= 0xff; return b })
		}, "epoch"},
		{"an older copy is put back", true, func() {
			erase(t, dir)
			if err := os.CopyFS(dir, os.DirFS(copied)); err != nil {
				t.Fatal(err)
			}
		}, "epoch"},
		{"log lost", false, func() { erase(t, dir) }, "epoch"},
		{"data directory lost", false, func() { erase(t, data) }, "epoch"},
	} {
		c, ready := open(t, s.address, "organizationId=org_1", cookie, "")
		first := price + 1
		update(9)
		var last string
		if err := conn.QueryRow(t.Context(), `SELECT pg_current_wal_insert_lsn()::text`).Scan(&last); err != nil {
			t.Fatal(err)
		}
		update(1)
		if prices, _ := c.prices(t, price); unbroken(prices, first, price) != "" {
			t.Fatalf("%s: before it: %s", damage.name, unbroken(prices, first, price))
		}
		c.Close()
		if damage.confirmed {
			until(t, 20*time.Second, func() string {
				var confirmed bool
				if err := conn.QueryRow(t.Context(), `SELECT confirmed_flush_lsn > $1::pg_lsn FROM pg_replication_slots WHERE slot_name = $2`,
					last, "orgcast_"+h.Name).Scan(&confirmed); err != nil {
					t.Fatal(err)
				}
				if !confirmed {
					return "the slot is not confirmed"
				}
				return ""
			})
		}
		s.kill(t)
		damage.do()
		update(3)
		s.start(t)
		s.ready(t)

		again, err := connect(within(t, time.Minute), s.address, "organizationId=org_1", cookie, ready.Cursor)
		if err != nil {
			t.Fatalf("%s: %v", damage.name, err)
		}
		var prices []int
		var cured string
		for cured == "" {
			_, m, err := again.next()
			switch {
			case err != nil:
				t.Fatalf("%s: %v after %v", damage.name, err, prices)
			case m.Type == "reset":
				cured = m.Reason
			case m.Type == "property.update":
				var n int
				fmt.Sscan(fmt.Sprint(m.Payload.Changes["price"].New), &n)
				prices = append(prices, n)
			case m.Type == "ready":
				cured = "slot"
			}
		}
		if cured == "slot" {
			if what := unbroken(prices, first, price); what != "" {
				t.Errorf("%s: a silent gap: %s", damage.name, what)
			}
		} else {
			again.await(t, "ready")
		}
		if damage.cured != "" && cured != damage.cured {
			t.Errorf("%s: cured by %s, want %s", damage.name, cured, damage.cured)
		}
		update(1)
		if got, _ := again.prices(t, price); unbroken(got, price, price) != "" {
			t.Errorf("%s: not live afterwards: %s", damage.name, unbroken(got, price, price))
		}
		again.Close()
		said := ""
		if i := strings.LastIndex(s.out.String(), "new epoch"); i >= 0 {
			said, _, _ = strings.Cut(s.out.String()[i:], "\n")
		}
		t.Logf("%-26s %s %s", damage.name, cured, said)
	}
}
