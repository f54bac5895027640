package config

import (
	"errors"
	"strings"

	"github.com/oikion/orgcast"
)

// Error is all that is wrong with a configuration, so that one start shows it.
type Error struct {
	// Problems name each a variable and what is wrong with it; their hints say
	// what to do.
	Problems []error
}

// Error prints one problem as it is, and several a line each with its cure.
func (e *Error) Error() string {
	if len(e.Problems) == 1 {
		return e.Problems[0].Error()
	}
	var b strings.Builder
	b.WriteString("read configuration: several problems")
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.Error() + ". " + orgcast.Hint(p))
	}
	return b.String()
}

// Unwrap returns the problems.
func (e *Error) Unwrap() []error { return e.Problems }

// add notes a problem with a variable. It is told by name; a cure that comes
// with the problem wins.
func (e *Error) add(variable string, problem error, cure string) {
	if hint := orgcast.Hint(problem); hint != "" {
		cure = hint
	}
	e.Problems = append(e.Problems, orgcast.WithHint("read "+variable, problem, cure))
}

// refuse notes a problem that is a sentence.
func (e *Error) refuse(variable, problem, cure string) { e.add(variable, errors.New(problem), cure) }
