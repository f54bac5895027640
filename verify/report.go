//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/oikion/orgcast/internal/verify"
	"github.com/oikion/orgcast/internal/verify/check"
	"github.com/oikion/orgcast/internal/verify/load"
	"github.com/oikion/orgcast/internal/verify/nemesis"
)

// Report is what came of a run. Its JSON is the machine-readable one.
type Report struct {
	Seed         uint64                `json:"seed"`
	Command      string                `json:"command"`
	Began        time.Time             `json:"began"`
	Seconds      float64               `json:"seconds"`
	Go           string                `json:"go"`
	Transactions int                   `json:"transactions"`
	Acknowledged int                   `json:"acknowledged"`
	Changes      int                   `json:"changes"`
	Statements   map[string]load.Count `json:"statements"`
	RolledBack   int64                 `json:"rolledBack"`
	Unknown      int64                 `json:"unknown"` // commits of which no writer knows
	Facts        int                   `json:"facts"`
	Optional     int                   `json:"optional"`
	Clients      map[string]int        `json:"clients"`
	Counts       check.Counts          `json:"counts"`
	Epochs       int                   `json:"epochs"`
	Faults       map[string]Faults     `json:"faults"`
	FaultsInAll  int                   `json:"faultsInAll"`
	Without      []string              `json:"without,omitempty"`
	Starts       int                   `json:"starts"`
	Offences     map[check.Offence]int `json:"offences"`
	Findings     []string              `json:"findings,omitempty"`
	Metrics      []string              `json:"metrics,omitempty"`
}

// Faults are those of one kind.
type Faults struct {
	Count    int     `json:"count"`
	Restarts int     `json:"restarts"` // by the supervisor
	Median   float64 `json:"median"`   // seconds from the cause's end to ready
	Longest  float64 `json:"longest"`
}

// maxFindings bounds those of one offence that are printed; all are counted.
const maxFindings = 6

// Clean says that nothing is counted against the server.
func (r *Report) Clean() bool {
	for _, n := range r.Offences {
		if n > 0 {
			return false
		}
	}
	return true
}

// judge holds everything against the truth.
func (r *running) judge(stuck []check.Finding, metrics []string) *Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	acked := map[uint32]int64{}
	for _, a := range r.load.Acked() {
		acked[a.XID] = a.At
	}
	written := r.load.Stats()
	report := &Report{
		Seed: r.Seed, Command: r.command(), Began: r.begun.UTC().Truncate(time.Second), Go: runtime.Version(), Transactions: len(r.commits), Changes: r.changes,
		Statements: written.Kinds, RolledBack: written.Back, Unknown: written.Unknown, Facts: len(r.facts), Clients: map[string]int{}, Faults: map[string]Faults{}, FaultsInAll: len(r.incidents),
		Without: r.without, Starts: r.house.Server.Starts(), Offences: map[check.Offence]int{}, Metrics: metrics,
	}
	for i := range r.commits {
		if r.commits[i].Acked = acked[r.commits[i].XID]; r.commits[i].Acked > 0 {
			report.Acknowledged++
		}
	}
	for _, f := range r.facts {
		if f.May {
			report.Optional++
		}
	}
	var incidents []check.Incident
	for _, i := range r.incidents {
		incidents = append(incidents, check.Incident{Kind: i.Fault, At: i.At, Until: i.Ready, Epoch: i.Epoch, Early: i.Early})
	}
	world := check.New(verify.Truth{Facts: r.facts, Members: r.model.Members(), Commits: r.commits}, incidents, check.Defaults())
	findings := append(stuck, world.Epochs(r.crowd.records)...)
	findings = append(findings, r.everybody(world, report)...)
	for _, i := range r.incidents {
		if i.Problem != "" {
			findings = append(findings, check.Finding{Offence: check.Stuck, Client: "the server", At: i.Gone, Text: "after " + i.Fault + ": " + i.Problem})
		}
	}
	for _, h := range r.house.Server.Harm() {
		findings = append(findings, check.Finding{Offence: check.Malformed, Client: "the server", Text: h})
	}
	slices.SortStableFunc(findings, func(a, b check.Finding) int { return cmp.Compare(a.At, b.At) })
	if r.Keep != "" {
		if err := r.detail(filepath.Join(r.Keep, "findings.txt"), findings); err != nil {
			r.logf("%v", err)
		}
	}
	for _, f := range findings {
		report.Offences[f.Offence]++
		if report.Offences[f.Offence] <= maxFindings {
			report.Findings = append(report.Findings, f.String())
		}
	}
	report.count(r.incidents)
	epochs := map[string]bool{}
	for _, c := range r.crowd.records {
		report.Clients[c.Kind]++
		for _, e := range c.Entries {
			if e.What != verify.Asked && e.Cursor.Epoch != "" {
				epochs[e.Cursor.Epoch] = true
			}
		}
	}
	report.Epochs = len(epochs)
	report.Seconds = time.Since(r.begun).Seconds()
	return report
}

// everybody checks all records, on all cores.
func (r *running) everybody(w *check.World, report *Report) (findings []check.Finding) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := make(chan *verify.Record)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for record := range next {
				f, counts := w.Client(record)
				mu.Lock()
				findings = append(findings, f...)
				report.Counts.Add(counts)
				mu.Unlock()
			}
		})
	}
	for _, record := range r.crowd.records {
		next <- record
	}
	close(next)
	wg.Wait()
	return findings
}

func (r *Report) count(incidents []nemesis.Incident) {
	times := map[string][]float64{}
	for _, i := range incidents {
		f := r.Faults[i.Fault]
		f.Count++
		f.Restarts += i.Restarts
		r.Faults[i.Fault] = f
		if i.Ready > 0 {
			times[i.Fault] = append(times[i.Fault], float64(i.Ready-i.Gone)/1e9)
		}
	}
	for name, list := range times {
		slices.Sort(list)
		f := r.Faults[name]
		f.Median, f.Longest = list[len(list)/2], list[len(list)-1]
		r.Faults[name] = f
	}
}

// write prints the report, and writes it to a file and its JSON beside it if path is
// not "".
func (r *Report) write(out io.Writer, path string) error {
	text := r.markdown()
	if _, err := io.WriteString(out, "\n"+text); err != nil {
		return err
	}
	if path == "" {
		return nil
	}
	machine, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	beside := strings.TrimSuffix(path, filepath.Ext(path)) + ".json"
	return errors.Join(os.WriteFile(path, []byte(text), 0o644), os.WriteFile(beside, append(machine, '\n'), 0o644))
}

func (r *Report) markdown() string {
	var b strings.Builder
	verdict := "clean"
	if !r.Clean() {
		verdict = "NOT CLEAN"
	}
	fmt.Fprintf(&b, "# Seed %d: %s\n\n", r.Seed, verdict)
	fmt.Fprintf(&b, "%s, %.0f s, %s. `%s`\n\n", r.Began.Format("2006-01-02 15:04 MST"), r.Seconds, r.Go, r.Command)
	fmt.Fprintf(&b, "| | |\n|---|---|\n")
	row := func(what string, n any) { fmt.Fprintf(&b, "| %s | %v |\n", what, n) }
	row("transactions committed", r.Transactions)
	row("of which acknowledged to their writers", r.Acknowledged)
	row("rolled back on purpose", r.RolledBack)
	row("changes in them", r.Changes)
	row("events that they are", r.Facts)
	row("of which some may be left out", r.Optional)
	row("clients", counted(r.Clients))
	row("connections, refusals", fmt.Sprintf("%d, %d", r.Counts.Connections, r.Counts.Refused))
	row("deliveries", r.Counts.Deliveries)
	row("`ready`, heartbeats with a place, `stale`", fmt.Sprintf("%d, %d, %d", r.Counts.Ready, r.Counts.Beats, r.Counts.Stale))
	row("`reset`", counted(r.Counts.Resets))
	row("`closing`", counted(r.Counts.Closings))
	row("epochs", r.Epochs)
	row("faults", r.FaultsInAll)
	row("starts of the server", r.Starts)
	fmt.Fprintf(&b, "\n| fault | times | started by the supervisor | ready again after (median, longest) |\n|---|---|---|---|\n")
	for _, f := range nemesis.Faults {
		if n, ok := r.Faults[f.Name]; ok {
			fmt.Fprintf(&b, "| %s: %s | %d | %d | %.1f s, %.1f s |\n", f.Name, f.What, n.Count, n.Restarts, n.Median, n.Longest)
		}
	}
	if len(r.Without) > 0 {
		fmt.Fprintf(&b, "\nNot done, since the log has no file system of its own (it needs root): %s.\n", strings.Join(r.Without, ", "))
	}
	fmt.Fprintf(&b, "\n| counted against the server | |\n|---|---|\n")
	for _, o := range check.Offences {
		fmt.Fprintf(&b, "| %s | %d |\n", o, r.Offences[o])
	}
	if len(r.Findings) > 0 {
		fmt.Fprintf(&b, "\nThe first of each:\n\n```\n%s\n```\n", strings.Join(r.Findings, "\n"))
	}
	return b.String()
}

// counted are names with their numbers.
func counted[N int | int64](m map[string]N) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, fmt.Sprintf("%s %d", name, m[name]))
	}
	if len(list) == 0 {
		return "0"
	}
	return strings.Join(list, ", ")
}
