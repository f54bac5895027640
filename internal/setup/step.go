package setup

// step is one change: what it is called, the statements of its one transaction,
// and what to say when it can't be made.
type step struct {
	name string
	sql  []string
	// shown replaces sql where it is printed: a password is not.
	shown []string
	done  bool
	// table is what a lock is waited for on, nil when there is none.
	table *relation
	// weak: the lock lets readers and writers pass, so only schema changes
	// and maintenance can be in the way.
	weak bool
	// hint is the next step when permission is what is missing.
	hint string
	// optional turns a refusal into a problem of the report.
	optional *Problem
}

func (s step) printed() []string {
	if s.shown != nil {
		return s.shown
	}
	return s.sql
}

// plan is what is to be done, in order. It is a function of what is there and
// what is wanted: printing it and executing it can't differ.
type plan struct {
	steps    []step
	warnings []Problem
}

func (p *plan) add(s step) { p.steps = append(p.steps, s) }

func (p *plan) warn(w Problem) { p.warnings = append(p.warnings, w) }
