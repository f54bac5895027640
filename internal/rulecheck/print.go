package rulecheck

import (
	"fmt"
	"io"
	"strings"

	"github.com/oikion/orgcast/internal/codec"
)

// JSON prints the report as one line.
func (r *Report) JSON(w io.Writer) error { return codec.Line(w, r) }

// Print prints the report for people.
func (r *Report) Print(w io.Writer) error {
	var b strings.Builder
	against := "no database was looked at"
	if d := r.Database; d != nil {
		against = fmt.Sprintf("held against database %s, as role %s", d.Name, d.Role)
	}
	fmt.Fprintf(&b, "Rules: %s, %d tables; %s\n", r.Rules, len(r.Tables), against)
	if len(r.Tables) > 0 {
		fmt.Fprintf(&b, "Any database role may publish: %s\n", orNothing(r.SQL))
	}
	for i := range r.Tables {
		r.Tables[i].print(&b)
	}
	if len(r.Problems) > 0 {
		b.WriteByte('\n')
	}
	for i := range r.Problems {
		p := &r.Problems[i]
		mark := "✗"
		if p.Severity == Warning {
			mark = "!"
		}
		fmt.Fprintf(&b, "%s %s: ", mark, p.At(r.Rules))
		if p.Place != "" {
			fmt.Fprintf(&b, "%s: ", p.Place)
		}
		fmt.Fprintf(&b, "%s (%s)\n", p.Text, p.Code)
		if p.Hint != "" {
			fmt.Fprintf(&b, "  → %s%s\n", strings.ToUpper(p.Hint[:1]), p.Hint[1:])
		}
	}
	fmt.Fprintf(&b, "\n%s\n", r.summary())
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) summary() string {
	bad := 0
	for _, p := range r.Problems {
		if p.Severity != Warning {
			bad++
		}
	}
	switch warned := len(r.Problems) - bad; {
	case bad > 0:
		return fmt.Sprintf("Not sound: %d to be mended, %d warnings.", bad, warned)
	case warned > 0:
		return fmt.Sprintf("Sound, with %d warnings.", warned)
	}
	return "Sound."
}

func (t *Table) print(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s\n", t.Table)
	if t.Reads != "" {
		fmt.Fprintf(b, "  read for  %s\n", t.Reads)
	}
	if len(t.Sends) == 0 {
		b.WriteString("  sends     nothing\n")
	}
	for _, s := range t.Sends {
		fmt.Fprintf(b, "  sends     %s%s on channel %s\n", s.Event, parenthesis(s.What), s.Channel)
		fmt.Fprintf(b, "    to      the organization of %s\n", strings.Join(s.To, "; "))
		switch {
		case s.User != "":
			fmt.Fprintf(b, "    for     the user in %s alone, if he is a member%s\n", s.User, with(s.Roles))
		case len(s.Roles) > 0:
			fmt.Fprintf(b, "    for     the roles %s\n", strings.Join(s.Roles, ", "))
		default:
			b.WriteString("    for     every member\n")
		}
		names := make([]string, 0, len(s.Columns))
		for _, c := range s.Columns {
			name := c.Column
			if c.As != c.Column {
				name += " as " + c.As
			}
			names = append(names, name)
		}
		fmt.Fprintf(b, "    columns %s\n", strings.Join(names, ", "))
	}
	if len(t.Stays) > 0 {
		fmt.Fprintf(b, "  stays     %s\n", strings.Join(t.Stays, ", "))
	}
	if len(t.Secrets) > 0 {
		fmt.Fprintf(b, "  secrets   %s: kept here\n", strings.Join(t.Secrets, ", "))
	}
}

func parenthesis(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

func with(roles []string) string {
	if len(roles) == 0 {
		return ""
	}
	return " with a role of " + strings.Join(roles, ", ")
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}
