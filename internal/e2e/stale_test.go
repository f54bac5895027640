package e2e_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oikion/orgcast/internal/cluster"
	"github.com/oikion/orgcast/internal/pgtest"
)

// sendSignal sends a signal to a process of the database's.
func sendSignal(t testing.TB, pid int, s syscall.Signal) {
	t.Helper()
	if pid <= 1 {
		t.Fatalf("no process: pid %d", pid)
	}
	if err := syscall.Kill(pid, s); err != nil {
		t.Errorf("signal pid %d: %v", pid, err)
	}
}

// processes are the postmaster and its children.
func processes(t testing.TB, c *cluster.Cluster) (pids []int) {
	t.Helper()
	pids = append(pids, c.Pid())
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state ppid …
		_, rest, _ := strings.Cut(string(text), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(c.Pid()) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// silence is a way in which a database says nothing any more, and nothing breaks.
type silence struct {
	name        string
	begin, heal func()
	deaf        bool // the database takes no change meanwhile either

	*house
	*instance
	stream *connection
	told   time.Duration
}

// silences are a stuck walsender, a PostgreSQL that is frozen as a whole, and a
// network that swallows. All end with the test.
func silences(t testing.TB) []*silence {
	t.Helper()
	stuck := &silence{name: "the walsender is stuck", house: settled(t, 1)}
	var pids []int
	stuck.begin = func() {
		pids = []int{walsender(t, stuck.house)}
		sendSignal(t, pids[0], syscall.SIGSTOP)
	}
	stuck.heal = func() { goOn(t, &pids) }

	own := pgtest.Own(t, nil)
	frozen := &silence{name: "PostgreSQL is frozen", house: settledOn(t, own, 1), deaf: true}
	var all []int
	frozen.begin = func() {
		all = processes(t, own)
		for _, pid := range all {
			sendSignal(t, pid, syscall.SIGSTOP)
		}
	}
	frozen.heal = func() { goOn(t, &all) }

	swallowed := &silence{name: "the network swallows", house: settled(t, 1)}
	port := strconv.Itoa(pgtest.Cluster(t).Port())
	between := stand(t, net.JoinHostPort("127.0.0.1", port))
	swallowed.house.environ["ORGCAST_DATABASE_URL"] = strings.Replace(swallowed.house.environ["ORGCAST_DATABASE_URL"], "127.0.0.1:"+port, between.address, 1)
	swallowed.begin, swallowed.heal = between.swallow, between.heal
	return []*silence{stuck, frozen, swallowed}
}

// goOn lets stopped processes go on, once.
func goOn(t testing.TB, pids *[]int) {
	t.Helper()
	for _, pid := range *pids {
		sendSignal(t, pid, syscall.SIGCONT)
	}
	*pids = nil
}

func (s *silence) update(t testing.TB, price int) {
	t.Helper()
	s.Exec(t, `UPDATE properties SET price = $1 WHERE id = 'property_1'`, price)
}

// TestASilentDatabaseIsToldWithinTenSeconds: nothing breaks, nothing is said any
// more. Streams and operator are told, and told again when it goes on, and what
// was committed meanwhile arrives.
func TestASilentDatabaseIsToldWithinTenSeconds(t *testing.T) {
	t.Parallel()
	all := silences(t)
	for _, s := range all {
		t.Cleanup(s.heal)
		s.instance = serve(t, s.house.environ, nil)
	}
	for _, s := range all {
		s.ready(t)
		s.stream, _ = open(t, s.address, "organizationId=org_1", s.cookie(t, "user_1"), "")
		s.update(t, 101)
		s.stream.prices(t, 101)
	}
	begun := time.Now()
	for _, s := range all {
		s.begin()
		if !s.deaf {
			s.update(t, 102)
		}
	}
	began := time.Since(begun)
	for _, s := range all {
		m := s.stream.await(t, "status")
		s.told = time.Since(begun)
		if m.State != "stale" || s.told > 10*time.Second+began+time.Second {
			t.Errorf("%s: status %q after %v, want stale within 10 s", s.name, m.State, s.told)
		}
		why := s.readiness(t)
		if why == "" {
			t.Errorf("%s: /readyz is green when streams are told stale", s.name)
		}
		t.Logf("%s: stale after %v, /readyz: %.100s", s.name, s.told.Round(time.Millisecond), why)
	}
	healed := time.Now()
	for _, s := range all {
		s.heal()
		if s.deaf {
			s.update(t, 102)
		}
	}
	for _, s := range all {
		for live, arrived := false, false; !live || !arrived; {
			_, m, err := s.stream.next()
			switch {
			case err != nil:
				t.Fatalf("%s: %v", s.name, err)
			case m.Type == "status" && m.State == "live":
				live = true
			case m.Type == "property.update" && fmt.Sprint(m.Payload.Changes["price"].New) == "102" && !arrived:
				arrived = true
			default:
				t.Fatalf("%s: the stream says %s %s", s.name, m.Type, m.Reason)
			}
		}
		t.Logf("%s: live %v after it went on", s.name, time.Since(healed).Round(time.Millisecond))
		s.ready(t)
	}
}
