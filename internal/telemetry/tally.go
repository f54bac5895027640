package telemetry

import (
	"maps"
	"sync"
)

// tallies are counts that are told to the operator, too: see [Metrics.Withheld].
type tallies struct{ withheld, refused tally }

// tally counts by table and reason, of which there are as many as the rules' tables
// and the reasons have.
type tally struct {
	mu     sync.Mutex
	counts map[[2]string]int64
}

func (t *tally) add(table, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[[2]string]int64{}
	}
	t.counts[[2]string{table, reason}]++
}

func (t *tally) read() map[[2]string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.counts)
}

// Withheld counts the mapped rows that were not sent, by table and reason.
func (m *Metrics) Withheld() map[[2]string]int64 { return m.explained.withheld.read() }

// MessagesRefused counts the events published by SQL that were not sent: by an
// empty table, and reason.
func (m *Metrics) MessagesRefused() map[[2]string]int64 { return m.explained.refused.read() }

// TailEnded counts an operator's tail that ended or was refused.
func (m *Metrics) TailEnded(reason string) { m.tailsEnded.WithLabelValues(reason).Inc() }

// TailEndable makes a reason's counter stand at zero before it first happens.
func (m *Metrics) TailEndable(reason string) { m.tailsEnded.WithLabelValues(reason) }
