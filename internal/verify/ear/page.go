package ear

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/oikion/orgcast/internal/verify"
)

// maxPage is more than a page may have.
const maxPage = 8 << 20

// paged is what GET /events answers.
type paged struct {
	Events []json.RawMessage `json:"events"`
	Cursor string            `json:"cursor"`
	Reset  *string           `json:"reset"`
}

// ask asks for a page.
func (e *Ear) ask(ctx context.Context) outcome {
	query := e.query(nil)
	limit := 1 + e.r.IntN(300)
	query.Set("limit", strconv.Itoa(limit))
	query.Set("wait", strconv.Itoa(e.r.IntN(4)))
	asked := verify.Entry{What: verify.Asked}
	if e.last != "" {
		query.Set("after", e.last)
		c, err := verify.ParseCursor(e.last)
		if err != nil {
			e.broken(err.Error()) // it was good when it came
		}
		asked.Cursor = c
	}
	a, err := e.call(ctx, http.MethodGet, "events", query, nil, "", func() { e.add(asked) })
	if err != nil || a.StatusCode != http.StatusOK {
		return e.refused(a, err, "")
	}
	defer a.close()
	text, err := io.ReadAll(io.LimitReader(a.Body, maxPage))
	if err != nil {
		e.say(false, "the page breaks off")
		e.add(verify.Entry{What: verify.Refused, Reason: "the answer breaks off: " + err.Error()})
		return outcome{what: refused}
	}
	n, err := e.read(text)
	if err != nil {
		e.broken(err.Error())
		return outcome{what: refused, status: http.StatusOK}
	}
	e.say(n < limit, "catching up")
	return outcome{what: ended, more: n == limit}
}

// read takes a whole page and says how many events it had.
func (e *Ear) read(text []byte) (int, error) {
	var p paged
	if err := json.Unmarshal(text, &p); err != nil {
		return 0, fmt.Errorf("a page: %w: %.200q", err, text)
	}
	to, err := verify.ParseCursor(p.Cursor)
	if err != nil {
		return 0, fmt.Errorf("a page's cursor: %w", err)
	}
	if p.Reset != nil && *p.Reset == "moved" { // somewhere among the events
		e.add(verify.Entry{What: verify.Moved, Cursor: to})
		p.Reset = nil
	} else if p.Reset != nil && len(p.Events) > 0 {
		return 0, fmt.Errorf("a page with a reset %s and %d events", *p.Reset, len(p.Events))
	}
	for _, raw := range p.Events {
		l, err := e.options.Intern.line(raw)
		if err != nil {
			return 0, err
		}
		if l.ID == "" {
			return 0, fmt.Errorf("a page with a message %q among its events", l.Type)
		}
		e.keep(verify.Entry{What: verify.Heard, Cursor: l.place, Data: l.text}, l.ID)
	}
	n := verify.Entry{What: verify.Paged, Cursor: to}
	if p.Reset != nil {
		n.What, n.Reason = verify.Reset, *p.Reset
	}
	e.keep(n, p.Cursor)
	return len(p.Events), nil
}
