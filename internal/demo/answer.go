package demo

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/oikion/orgcast/internal/codec"
)

// handler answers a call, or returns why it does not.
type handler func(w http.ResponseWriter, r *http.Request) error

// refusal is an answer other than the one asked for. It is an error.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

var (
	unknownHost = &refusal{http.StatusMisdirectedRequest, "This is not the demo's host name."}
	notOwnPage  = &refusal{http.StatusForbidden, "Only the demo's own page may do this."}
	notSignedIn = &refusal{http.StatusUnauthorized, "Sign in first."}
	noAccess    = &refusal{http.StatusForbidden, "You are no member of this organization."}
	notThere    = &refusal{http.StatusNotFound, "There is no such thing, or it is not yours."}
	notJSON     = &refusal{http.StatusUnsupportedMediaType, "The body must be application/json."}
	tooLarge    = &refusal{http.StatusRequestEntityTooLarge, "The body is too large."}
	tooMany     = &refusal{http.StatusConflict, "That is enough for a demo: delete one first."}
	failed      = &refusal{http.StatusInternalServerError, "Something went wrong: see the demo's terminal."}
)

func invalid(text string) error { return &refusal{http.StatusBadRequest, text} }

// answer ends a call whose handler returned err, which may be nil. Only what is
// no refusal is logged.
func (a *application) answer(w http.ResponseWriter, r *http.Request, err error) {
	if err == nil {
		return
	}
	no, ok := errors.AsType[*refusal](err)
	switch {
	case ok:
	case errors.Is(err, context.Canceled):
		return // nobody is left to be answered
	default:
		a.log.Error("call failed", "method", r.Method, "pattern", r.Pattern, "error", err)
		no = failed
	}
	text, err := codec.Marshal(map[string]string{"error": no.text})
	if err != nil {
		a.log.Error("write answer", "error", err)
		return
	}
	writeJSON(w, no.status, text)
}

// reply answers with v as JSON.
func reply(w http.ResponseWriter, status int, v any) error {
	text, err := codec.Marshal(v)
	if err != nil {
		return err
	}
	writeJSON(w, status, text)
	return nil
}

func writeJSON(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text) // who does not read it is gone
}

// maxBody bounds a call's body, in bytes.
const maxBody = 16 << 10

// read reads a call's body. A form of another page can't send JSON.
func read(w http.ResponseWriter, r *http.Request, v any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return notJSON
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return tooLarge
	}
	if err != nil {
		return invalid("The body ended early.")
	}
	if err := codec.Unmarshal(body, v); err != nil {
		return invalid("The body is not what was expected: " + err.Error() + ".")
	}
	return nil
}
