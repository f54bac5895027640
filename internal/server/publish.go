package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
)

// publish takes events from an application server. A session's cookie is not
// looked at. Nothing of the body is read for who has no key.
func (s *Server) publish(w http.ResponseWriter, r *http.Request) *refusal {
	if no := s.awaitReady(r); no != nil {
		return no
	}
	key, no := s.checkKey(w, r)
	if no != nil {
		return no
	}
	select {
	case s.publishing <- struct{}{}:
		defer func() { <-s.publishing }()
	default:
		return publishBusy
	}
	idempotencyKey, no := parseIdempotencyKey(r.Header["Idempotency-Key"])
	if no != nil {
		return no
	}
	body, no := readBody(w, r, maxPublishBody)
	if no != nil {
		return no
	}
	ctx, cancel := context.WithTimeout(r.Context(), publishTimeout)
	defer cancel()
	defer context.AfterFunc(s.settled, cancel)()
	published, err := s.deps.Publisher.Publish(ctx, key, idempotencyKey, body)
	if err != nil {
		return s.notPublished(w, r, err)
	}
	s.json(w, http.StatusAccepted, writeTimeout, published.text())
	return nil
}

// checkKey finds the API key. One address may be wrong so often.
func (s *Server) checkKey(w http.ResponseWriter, r *http.Request) (string, *refusal) {
	address, limited := s.failureAddress(r)
	if limited && s.failures.spent(address, time.Now()) {
		return "", keyRate
	}
	key, ok := bearer(r.Header["Authorization"])
	if !ok {
		return "", s.noKey(w, r)
	}
	switch err := s.deps.Publisher.CheckKey(key); {
	case err == nil:
		return key, nil
	case errors.Is(err, ErrKey):
		return "", s.noKey(w, r)
	default:
		return "", s.failed(r, publishDown, err)
	}
}

// noKey counts against the address, and says what is asked for.
func (s *Server) noKey(w http.ResponseWriter, r *http.Request) *refusal {
	if address, limited := s.failureAddress(r); limited {
		s.failures.allow(address, time.Now()) // a full table remembers no more: the key is refused all the same
	}
	w.Header().Set("WWW-Authenticate", "Bearer")
	return noKey
}

// bearer finds the token of the one Authorization line.
func bearer(values []string) (string, bool) {
	if len(values) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimLeft(token, " ")
	return token, strings.EqualFold(scheme, "Bearer") && token != "" && len(token) <= maxBearer
}

// parseIdempotencyKey takes 1 to 255 printable ASCII characters, or no header.
func parseIdempotencyKey(values []string) (string, *refusal) {
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 || values[0] == "" || len(values[0]) > maxIdempotencyKey {
		return "", idempotencyKeyRefused
	}
	for _, c := range []byte(values[0]) {
		if c < ' ' || c > '~' {
			return "", idempotencyKeyRefused
		}
	}
	return values[0], nil
}

// notPublished is the answer to what the publisher says.
func (s *Server) notPublished(w http.ResponseWriter, r *http.Request, err error) *refusal {
	invalid, listed := errors.AsType[*Invalid](err)
	switch {
	case errors.Is(err, ErrKey): // withdrawn meanwhile
		return s.noKey(w, r)
	case errors.Is(err, ErrScope) && listed:
		return listProblems(w, *keyScope, invalid)
	case errors.Is(err, ErrScope):
		return keyScope
	case listed:
		return listProblems(w, *invalidEvents, invalid)
	case errors.Is(err, ErrFeedDown):
		return s.failed(r, publishDown, err)
	}
	if hook := s.deps.Hooks.Failed; hook != nil {
		hook(publishUnknown.reason, err)
	}
	return publishUnknown // also to who seems to have left: half a connection may still listen
}

// listProblems puts the problems into the refusal's place.
func listProblems(w http.ResponseWriter, no refusal, invalid *Invalid) *refusal {
	problems := invalid.Problems
	if problems == nil {
		problems = []Problem{}
	}
	text, err := codec.Marshal(problems)
	if err != nil {
		panic(fmt.Errorf("write problems: %w", err)) // texts and numbers can always be written
	}
	no.text = string(text)
	w.Header().Set("Content-Type", "application/json")
	return &no
}

// text is the body of a 202.
func (p Published) text() []byte {
	text := []byte(`{"cursors":[`)
	for i, c := range p.Cursors {
		if i > 0 {
			text = append(text, ',')
		}
		text = appendPlace(text, c)
	}
	return append(text, `]}`...)
}

// appendPlace appends a cursor, or null for the zero one.
func appendPlace(text []byte, c orgcast.Cursor) []byte {
	if c.IsZero() {
		return append(text, "null"...)
	}
	return appendCursor(text, c)
}

func appendCursor(text []byte, c orgcast.Cursor) []byte {
	return append(c.Append(append(text, '"')), '"')
}
