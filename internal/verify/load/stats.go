package load

import (
	"errors"
	"maps"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
)

// Count is what was written of one kind. What is rolled back counts too.
type Count struct{ Statements, Rows int64 }

// Stats are counts since the beginning.
type Stats struct {
	Committed int64 // transactions
	Back      int64 // transactions that were rolled back on purpose
	Unknown   int64 // commits without an answer
	Lost      int64 // connections, and connects without success
	Kinds     map[string]Count
	Refused   map[string]int64 // by SQLSTATE
}

type stats struct {
	mu sync.Mutex
	s  Stats
}

func newStats() *stats {
	return &stats{s: Stats{Kinds: map[string]Count{}, Refused: map[string]int64{}}}
}

// Stats are the counts so far.
func (l *Load) Stats() Stats {
	l.stats.mu.Lock()
	defer l.stats.mu.Unlock()
	s := l.stats.s
	s.Kinds, s.Refused = maps.Clone(s.Kinds), maps.Clone(s.Refused)
	return s
}

func (s *stats) statement(kind string, rows int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.s.Kinds[kind]
	s.s.Kinds[kind] = Count{c.Statements + 1, c.Rows + rows}
}

func (s *stats) committed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Committed++
}

// verdict is what is to be done after an error.
type verdict int

const (
	ordinary verdict = iota // go on, with the same connection
	lost                    // go on, with another
	wrong                   // the statement is: end
)

// unknownError is that of a commit: nobody here knows whether it is one.
type unknownError struct{ err error }

func (e *unknownError) Error() string { return "commit: " + e.err.Error() }
func (e *unknownError) Unwrap() error { return e.err }

var errNoURL = errors.New("it is none")

// failed counts an error and says what is to be done.
func (s *stats) failed(err error) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	refused, answered := errors.AsType[*pgconn.PgError](err)
	if answered {
		s.s.Refused[refused.Code]++
	}
	if errors.Is(err, errUnwanted) {
		s.s.Back++
		return ordinary
	}
	if errors.Is(err, errNoURL) {
		return wrong
	}
	v := lost
	if answered {
		v = judge(refused.Code)
	}
	if v == lost {
		s.s.Lost++
	}
	if _, unknown := errors.AsType[*unknownError](err); unknown && v == lost {
		s.s.Unknown++
	}
	return v
}

// judge is what an SQLSTATE means here.
func judge(code string) verdict {
	switch code {
	case "55P03", "57014": // a lock that was not had in time; canceled
		return ordinary
	case "08P01", "25P02": // not the protocol; the transaction was aborted: who went on?
		return wrong
	case "25006": // read only: the database is somebody's standby now
		return lost
	case "XX000": // such as "tuple concurrently updated" of two ALTERs
		return lost
	}
	switch code[:2] {
	case "23", "40": // constraints; deadlocks and serialization
		return ordinary
	case "08", "25", "53", "57", "58": // connection, session, resources, operator, system
		return lost
	}
	return wrong
}
