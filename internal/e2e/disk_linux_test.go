package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// volume is a small disk of a test's own.
type volume struct{ dir string }

// mountVolume mounts it: a real one, because how Pebble meets a full disk can't be
// had from a file system in memory.
func mountVolume(t testing.TB, bytes int64) *volume {
	t.Helper()
	v := &volume{t.TempDir()}
	options := fmt.Sprintf("size=%d,mode=0700", bytes)
	if os.Geteuid() == 0 {
		if err := syscall.Mount("tmpfs", v.dir, "tmpfs", 0, options); err != nil {
			t.Fatalf("mount a small disk: %v", err)
		}
		t.Cleanup(func() {
			if err := syscall.Unmount(v.dir, 0); err != nil {
				t.Errorf("unmount the small disk: %v", err)
			}
		})
		return v
	}
	options += fmt.Sprintf(",uid=%d", os.Geteuid())
	if out, err := exec.Command("sudo", "-n", "mount", "-t", "tmpfs", "-o", options, "tmpfs", v.dir).CombinedOutput(); err != nil {
		t.Fatalf("mount a small disk: %v %s: run this test as root, or let sudo mount without a password", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("sudo", "-n", "umount", v.dir).CombinedOutput(); err != nil {
			t.Errorf("unmount the small disk: %v %s", err, out)
		}
	})
	return v
}

// fill takes all space but so many bytes.
func (v *volume) fill(t testing.TB, but int64) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(v.dir, "ballast"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for { // somebody may write meanwhile
		var fs syscall.Statfs_t
		if err := syscall.Statfs(v.dir, &fs); err != nil {
			t.Fatal(err)
		}
		free := int64(fs.Bavail)*fs.Bsize - but
		if free < fs.Bsize {
			return
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Fallocate(int(f.Fd()), 0, info.Size(), free); err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
}

// empty gives the space back.
func (v *volume) empty(t testing.TB) {
	t.Helper()
	if err := os.Remove(filepath.Join(v.dir, "ballast")); err != nil {
		t.Fatal(err)
	}
}

// TestAFullDiskHealsWithItsSpace: the server waits at the start, stops reading
// when its disk fills up under it, says why, and goes on by itself: the same
// process, nothing lost and nothing twice.
func TestAFullDiskHealsWithItsSpace(t *testing.T) {
	t.Parallel()
	const size = 400 << 20
	h := settled(t, 1)
	v := mountVolume(t, size)
	v.fill(t, 1<<20)
	s := serve(t, h.environ, map[string]string{"ORGCAST_DATA_DIR": filepath.Join(v.dir, "data"), "ORGCAST_LOG_BYTES": "33554432"})
	const full = "too little free disk space"
	until(t, 20*time.Second, func() string {
		if why := s.readiness(t); !strings.Contains(why, full) {
			return fmt.Sprintf("/readyz says %q at the start on a full disk", why)
		}
		if !strings.Contains(s.out.String(), "free disk space, or lower the log's maximum size") {
			return "the log does not say what to do"
		}
		return ""
	})
	v.empty(t)
	begun := time.Now()
	s.ready(t)
	t.Logf("live %v after there was space to start", time.Since(begun).Round(time.Millisecond))

	c, _ := open(t, s.address, "organizationId=org_1", h.cookie(t, "user_1"), "")
	price := 100
	update := func(n int) {
		for range n {
			price++
			h.Exec(t, `UPDATE properties SET price = $1, description = (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 1000)) WHERE id = 'property_1'`, price)
		}
	}
	update(5)
	if prices, _ := c.prices(t, price); unbroken(prices, 101, price) != "" {
		t.Fatal(unbroken(prices, 101, price))
	}
	conn := h.Conn(t)
	for round := range 2 {
		first := price + 1
		v.fill(t, 0)
		filled := time.Now()
		update(40) // more than a memtable
		until(t, 8*time.Second, func() string {
			if why := s.readiness(t); !strings.Contains(why, full) {
				return fmt.Sprintf("/readyz says %q on a full disk", why)
			}
			if _, active := slot(t, conn, h.Name); active {
				return "the slot is read though nothing can be kept"
			}
			return ""
		})
		noticed := time.Since(filled)
		m := c.await(t, "status")
		told := time.Since(filled)
		if m.State != "stale" {
			t.Errorf("round %d: status %q, want stale", round, m.State)
		}
		v.fill(t, 0) // what was held in reserve, too
		kept := s.metric(t, "orgcast_slot_retained_bytes")
		update(5)
		until(t, 20*time.Second, func() string {
			if s.metric(t, "orgcast_slot_retained_bytes") == kept { // less, where the slot has got on since the last look
				return "nobody looks at what the slot keeps while it is not read"
			}
			return ""
		})
		v.empty(t)
		freed := time.Now()
		s.ready(t)
		t.Logf("round %d: /readyz red and slot left %v after the disk was full, streams told after %v; live %v after it was not",
			round, noticed.Round(time.Millisecond), told.Round(time.Millisecond), time.Since(freed).Round(time.Millisecond))
		update(1)
		prices, said := c.prices(t, price)
		if what := unbroken(prices, first, price); what != "" {
			t.Fatalf("round %d: %s", round, what)
		}
		if len(said) == 0 { // a stream is live when it has caught up: behind the last event, maybe
			m := c.await(t, "status")
			said = append(said, m.Type+" "+m.State)
		}
		if got := strings.Join(said, " "); got != "status live" {
			t.Errorf("round %d: beside the events the stream says %q, want status live", round, got)
		}
	}
}
