package cluster_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/cluster"
)

// parentEnv makes the test binary a parent that is to be killed.
const parentEnv = "ORGCAST_TEST_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(parentEnv) != "" {
		parent()
	}
	goleak.VerifyTestMain(m)
}

func parent() {
	c, err := cluster.Start(context.Background(), cluster.Options{})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println(c.Pid(), c.Dir())
	select {}
}

func show(t *testing.T, url, setting string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var value string
	if err := conn.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func kept(t *testing.T, url string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), "SELECT n FROM kept").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestClusterKeepsItsRowsOverEveryKindOfStop(t *testing.T) {
	var logged strings.Builder
	c, err := cluster.Start(t.Context(), cluster.Options{
		Output:   &logged,
		Settings: map[string]string{"application_name": `it's a \ test`},
	})
	if err != nil {
		t.Fatalf("%v (%s)", err, orgcast.Hint(err))
	}
	defer c.Close()
	url := c.URL("postgres")
	for setting, want := range map[string]string{
		"wal_level": "logical", "listen_addresses": "127.0.0.1", "fsync": "off",
		"password_encryption": "scram-sha-256", "port": strconv.Itoa(c.Port()),
	} {
		if got := show(t, url, setting); got != want {
			t.Errorf("%s = %q, want %q", setting, got, want)
		}
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT 42 AS n"); err != nil {
		t.Fatal(err)
	}
	conn.Close(t.Context())
	port := c.Port()
	for _, mode := range []string{"smart", "fast", "immediate"} {
		first := c.Pid()
		if err := c.Stop(t.Context(), mode); err != nil {
			t.Fatalf("stop %s: %v", mode, err)
		}
		if c.Pid() != 0 {
			t.Errorf("after stop %s there is a pid", mode)
		}
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c.Pid() == first || c.Port() != port {
			t.Errorf("after stop %s: pid %d, port %d; before %d, %d", mode, c.Pid(), c.Port(), first, port)
		}
		if n := kept(t, url); n != 42 {
			t.Errorf("after stop %s: kept.n = %d, want 42", mode, n)
		}
	}
	if err := c.Stop(t.Context(), "gently"); err == nil {
		t.Error("an unknown mode is accepted")
	}
	if text, err := os.ReadFile(c.LogFile()); err != nil || !strings.Contains(string(text), "ready to accept connections") {
		t.Errorf("log file: %v", err)
	}
	dir := c.Dir()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if !strings.Contains(logged.String(), "ready to accept connections") {
		t.Error("Output got no log")
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory is still there: %v", err)
	}
}

func TestClusterRefusesAWrongPassword(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if conn, err := pgx.Connect(t.Context(), c.URLAs("postgres", "guess", "postgres")); err == nil {
		conn.Close(t.Context())
		t.Error("a wrong password connects")
	}
	if _, err := net.DialTimeout("tcp", net.JoinHostPort("::1", strconv.Itoa(c.Port())), time.Second); err == nil {
		t.Error("the server listens on another address than 127.0.0.1")
	}
}

func TestKilledParentLeavesNoServerAndNoDirectory(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), parentEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("parent said %q, %v", line, err)
	}
	var pid int
	var dir string
	if _, err := fmt.Sscan(line, &pid, &dir); err != nil {
		t.Fatalf("parent said %q", line)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for alive(pid) {
		select {
		case <-deadline:
			t.Fatal("the server outlives its parent")
		case <-tick.C:
		}
	}
	c, err := cluster.Start(t.Context(), cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the killed parent's directory is still there: %v", err)
	}
	if _, err := os.Stat(c.Dir()); err != nil {
		t.Errorf("the living cluster's directory: %v", err)
	}
}

// alive tells whether pid runs. A zombie that nobody reaps does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestStartRefusesWhatItCannotUse(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Start(t.Context(), cluster.Options{Dir: full}); err == nil || orgcast.Hint(err) == "" {
		t.Errorf("a directory with files in it: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = cluster.Start(t.Context(), cluster.Options{Port: l.Addr().(*net.TCPAddr).Port})
	if err == nil || !strings.Contains(err.Error(), "could not bind") {
		t.Errorf("a port that is taken: %v", err)
	}
	t.Setenv("ORGCAST_PG_BIN", full)
	if _, err := cluster.Start(t.Context(), cluster.Options{}); err == nil || orgcast.Hint(err) == "" {
		t.Errorf("no binaries: %v", err)
	}
}

func TestCancelledStartLeavesNothing(t *testing.T) {
	tmp, err := os.MkdirTemp("", "orgcast-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", tmp)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := cluster.Start(ctx, cluster.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("start under a cancelled context: %v", err)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestAStandbyFollowsAndTakesOver(t *testing.T) {
	primary, err := cluster.Start(t.Context(), cluster.Options{Settings: map[string]string{"work_mem": "5MB"}})
	if err != nil {
		t.Fatalf("%v (%s)", err, orgcast.Hint(err))
	}
	defer closed(t, primary)
	execute(t, primary, `CREATE TABLE kept AS SELECT 1 AS n`)
	execute(t, primary, `SELECT pg_create_logical_replication_slot('left', 'pgoutput')`)
	standby, err := cluster.StartStandby(t.Context(), primary, "standby", cluster.Options{})
	if err != nil {
		t.Fatalf("%v (%s)", err, orgcast.Hint(err))
	}
	defer closed(t, standby)
	if got := show(t, standby.URL("postgres"), "in_hot_standby") + show(t, standby.URL("postgres"), "work_mem"); got != "on5MB" {
		t.Errorf("the standby says %q", got)
	}
	execute(t, primary, `UPDATE kept SET n = 2`)
	for deadline := time.Now().Add(time.Minute); kept(t, standby.URL("postgres")) != 2; {
		if time.Now().After(deadline) {
			t.Fatal("the standby does not follow")
		}
	}
	if err := primary.Stop(t.Context(), "immediate"); err != nil {
		t.Fatal(err)
	}
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	execute(t, standby, `UPDATE kept SET n = 3; DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM pg_replication_slots); END $$`)
	if n := kept(t, standby.URL("postgres")); n != 3 {
		t.Errorf("n = %d", n)
	}
}

func closed(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func execute(t *testing.T, c *cluster.Cluster, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatal(err)
	}
}
