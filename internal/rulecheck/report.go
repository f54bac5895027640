package rulecheck

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/route"
)

// Report is what there is to say of a rule file.
type Report struct {
	// Rules names the file, or the preset.
	Rules string `json:"rules"`
	// Database is the one that it was held against; absent if against none.
	Database *Database `json:"database,omitempty"`
	// SQL are the event types that any database role may publish.
	SQL      []string  `json:"sql"`
	Tables   []Table   `json:"tables"`
	Problems []Problem `json:"problems"`
}

// Database is a live database.
type Database struct {
	Name string `json:"name"`
	Role string `json:"role"`
	// Version is PostgreSQL's, as a number: 150004.
	Version int `json:"version"`
}

// Table is what becomes of one table.
type Table struct {
	Table string `json:"table"`
	// Line is where its rule begins; 0 for one that the file does not name.
	Line int `json:"line,omitempty"`
	// Sends is empty for a table that is only read.
	Sends []Send `json:"sends"`
	// Reads says what it is read for, beside what is sent.
	Reads string `json:"reads,omitempty"`
	// Stays are the columns of the database that no event has; Secrets those of
	// them that look like, or are, credentials. Only of a live database.
	Stays   []string `json:"stays,omitempty"`
	Secrets []string `json:"secrets,omitempty"`
}

// Send is one kind of event that a table's rows become.
type Send struct {
	Event   string `json:"event"`
	Channel string `json:"channel"`
	// What tells such events apart: a data.sync's entity, the table that the rows
	// are parts of, an organization.change's kinds.
	What string `json:"what,omitempty"`
	// To are the ways to the organization: all that are not null must agree.
	To []string `json:"to"`
	// User is the column of the one user who gets it; empty: the roles decide.
	User string `json:"user,omitempty"`
	// Roles are the membership roles that get it; empty: every member.
	Roles   []string `json:"roles"`
	Columns []Column `json:"columns"`
}

// Column is one that leaves.
type Column struct {
	Column string `json:"column"`
	// As is its name on the wire.
	As string `json:"as"`
	// Type is the database's name for it; empty without a database.
	Type string `json:"type,omitempty"`
	// Sensitive: the rule says that a name that looks like a secret is none.
	Sensitive bool `json:"sensitive,omitempty"`
}

// Severity is how bad a problem is.
type Severity string

// The severities.
const (
	// Fatal: serve would not start.
	Fatal Severity = "fatal"
	// Wrong: serve would start, and something can't work as the rule means it.
	Wrong Severity = "wrong"
	// Warning: it may be meant.
	Warning Severity = "warning"
)

// Problem is one thing that is not as it must be.
type Problem struct {
	Severity Severity `json:"severity"`
	Code     string   `json:"code"`
	// Place is the member of the file, Line where it stands; 0: not in the file.
	Place string `json:"place,omitempty"`
	Line  int    `json:"line,omitempty"`
	Table string `json:"table,omitempty"`
	Text  string `json:"text"`
	// Hint is the cure; empty if Text ends with it.
	Hint string `json:"hint,omitempty"`
}

// Sound tells whether the rules can be served as they are meant.
func (r *Report) Sound() bool {
	return !slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.Severity != Warning })
}

// Refused is the report of a file that can't be read as rules.
func Refused(name string, err error) *Report {
	r := &Report{Rules: name, SQL: []string{}, Tables: []Table{}}
	for _, e := range apart(err) {
		p := Problem{Severity: Fatal, Code: "rules_invalid", Hint: orgcast.Hint(e)}
		if at, ok := errors.AsType[*route.Problem](e); ok {
			p.Place, p.Line, p.Text = at.Path, at.Line, at.Text
		} else {
			p.Text, _, _ = strings.Cut(e.Error(), "\n")
			// What is wrong with the file as a whole names its line in words.
			if _, scanErr := fmt.Sscanf(p.Text, "read rules: line %d:", &p.Line); scanErr != nil {
				p.Line = 0
			}
		}
		r.Problems = append(r.Problems, p)
	}
	return r
}

// apart takes joined errors apart.
func apart(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
