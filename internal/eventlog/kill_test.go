package eventlog_test

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
)

// killChildEnv makes this test binary a writer that is killed.
const killChildEnv = "EVENTLOG_TEST_KILL_CHILD"

// step is the WAL that every transaction of the source takes.
const step = 10

// sourceTransaction is the transaction of a simulated WAL that ends at end: a
// function of the WAL alone, as a redelivery is.
func sourceTransaction(end orgcast.LSN) []*orgcast.Event {
	lsn := end - 3
	org := func(i orgcast.LSN) orgcast.OrganizationID {
		return orgcast.OrganizationID("org_" + strconv.Itoa(int((end/step+i)%5)))
	}
	var events []*orgcast.Event
	for i := range (end / step) % 4 { // also transactions without events
		events = append(events, eventlogtest.Event(org(i), lsn, uint64(i)*orgcast.SubIndexes))
	}
	return events
}

// sourceKey is a key of state that is written again only many transactions later.
func sourceKey(end orgcast.LSN) []byte { return []byte(strconv.Itoa(int(end / step % 100))) }

// checkState holds the state against the source: each key is of the last transaction
// up to the position that wrote it.
func checkState(log *eventlog.Log) error {
	want := map[string]string{}
	for end := eventlogtest.Start + step; end <= log.Position(); end += step {
		want["last"], want[string(sourceKey(end))] = end.String(), end.String()
	}
	got := map[string]string{}
	err := log.State(func(_ orgcast.Space, k, v []byte) error { got[string(k)] = string(v); return nil })
	if err == nil && !maps.Equal(got, want) {
		err = fmt.Errorf("position %s: the state is %v, want %v", log.Position(), got, want)
	}
	return err
}

// appendSource appends a transaction of the source, the longest in parts.
func appendSource(log *eventlog.Log, end orgcast.LSN) error {
	b := log.Batch()
	events := sourceTransaction(end)
	for i, e := range events {
		b.Event(e)
		if len(events) == 3 && i < 2 {
			if err := log.Append(b, 0, eventlogtest.Committed); err != nil {
				return err
			}
		}
	}
	b.State(orgcast.StateChange{Space: 'm', Key: []byte("last"), Value: []byte(end.String())})
	b.State(orgcast.StateChange{Space: 'm', Key: sourceKey(end), Value: []byte(end.String())})
	return log.Append(b, end, eventlogtest.Committed)
}

// checkSource holds a log against the source: everything up to its position is
// there once, and nothing above.
func checkSource(t *testing.T, log *eventlog.Log) {
	t.Helper()
	want := map[orgcast.OrganizationID][]orgcast.Cursor{}
	for end := eventlogtest.Start + step; end <= log.Position(); end += step {
		for _, e := range sourceTransaction(end) {
			want[e.Organization] = append(want[e.Organization], e.Cursor)
		}
	}
	for i := range 5 {
		org := orgcast.OrganizationID("org_" + strconv.Itoa(i))
		got := eventlogtest.Read(t, log, org, log.Floor(), eventlogtest.At(1<<62, 0))
		if len(got) != len(want[org]) {
			t.Fatalf("position %d: %s has %d events, want %d", log.Position(), org, len(got), len(want[org]))
		}
		for j, e := range got {
			if e.Cursor != want[org][j] {
				t.Fatalf("position %d: event %d of %s is %s", log.Position(), j, org, e.Cursor)
			}
		}
	}
	if err := checkState(log); err != nil {
		t.Fatal(err)
	}
}

// runKillChild appends the source from the log's position on, and prints every
// durable position, until it is killed.
func runKillChild(dir string) {
	out := make(chan orgcast.LSN, 1<<16)
	log, err := eventlog.Open(dir, eventlog.Options{Hooks: eventlog.Hooks{Durable: func(lsn orgcast.LSN) { out <- lsn }}})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	go func() {
		for lsn := range out {
			fmt.Println(uint64(lsn))
		}
	}()
	for end := log.Position() + step; ; end += step {
		if err := appendSource(log, end); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
}

func TestNothingThatWasDurableIsLostWhenTheProcessIsKilled(t *testing.T) {
	dir := t.TempDir() + "/log"
	log, err := eventlog.Open(dir, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	eventlogtest.Begin(t, log)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	for round := range 5 {
		confirmed := killWriter(t, dir, 200+300*round)
		log, err := eventlog.Open(dir, eventlog.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := log.Recovered(); err != nil {
			t.Fatalf("round %d: a kill damaged the log: %v", round, err)
		}
		if log.Position() < confirmed {
			t.Fatalf("round %d: %d was durable, %d is there", round, confirmed, log.Position())
		}
		checkSource(t, log)
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killWriter runs a writer, kills it after it confirmed n positions and returns
// the last that it confirmed.
func killWriter(t *testing.T, dir string, n int) orgcast.LSN {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killChildEnv+"="+dir)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	confirmed := uint64(0)
	lines := bufio.NewScanner(pipe)
	for lines.Scan() { // after the kill, what was in the pipe is confirmed too
		lsn, err := strconv.ParseUint(lines.Text(), 10, 64)
		if err != nil {
			if n > 0 {
				t.Errorf("writer: %s", lines.Text())
			}
			break // a line that was cut by the kill
		}
		confirmed = lsn
		if n--; n == 0 {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the writer ended by itself")
	}
	if n > 0 {
		t.Fatal("the writer ended before it was killed")
	}
	return orgcast.LSN(confirmed)
}
