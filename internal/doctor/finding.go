package doctor

import "slices"

// Severity is how much a [Finding] matters.
type Severity string

// The severities.
const (
	// Fatal: serve does not start, or does not stream.
	Fatal Severity = "fatal"
	// Warning: it works, but worse or less safely than it could.
	Warning Severity = "warning"
	// Note: nothing is wrong; somebody may wonder all the same.
	Note Severity = "note"
)

// Finding is one thing that is not as it should be.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	// Table is the table that is meant, or "".
	Table string `json:"table,omitempty"`
	// Text is what is so, Cure the operator's next step.
	Text string `json:"text"`
	Cure string `json:"cure"`
}

// Report is all that was seen.
type Report struct {
	Fatal    int       `json:"fatal"`
	Warnings int       `json:"warnings"`
	Notes    int       `json:"notes"`
	Findings []Finding `json:"findings"`
	// Good is what was looked at and is as it should be.
	Good []string `json:"good"`
	// Skipped is what could not be looked at.
	Skipped []Skip `json:"skipped"`
}

// Skip is a check that could not be made.
type Skip struct {
	Check string `json:"check"`
	Why   string `json:"why"`
}

// Sound tells whether serve would work; if strict, also whether nothing is to be
// done better.
func (r *Report) Sound(strict bool) bool { return r.Fatal == 0 && (!strict || r.Warnings == 0) }

func (r *Report) told(code Code) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Code == code })
}

func (r *Report) add(findings []Finding) {
	for _, f := range findings {
		switch f.Severity {
		case Fatal:
			r.Fatal++
		case Warning:
			r.Warnings++
		case Note:
			r.Notes++
		}
	}
	r.Findings = append(r.Findings, findings...)
}

// found makes a finding of the severity that the catalog gives its code.
func found(code Code, text, cure string) Finding {
	return Finding{Code: code, Severity: catalog[code].severity, Text: oneLine(text), Cure: sentence(cure)}
}

// as changes the severity, where it depends on more than the code.
func (f Finding) as(s Severity) Finding {
	f.Severity = s
	return f
}
