package server

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"
)

// readBody reads a JSON body of at most most bytes, in bounded time. It reads
// nothing of one that says itself that it is larger.
func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, *refusal) {
	if !isJSON(r.Header) {
		return nil, notJSON
	}
	if r.ContentLength > most {
		return nil, bodyTooLarge(most)
	}
	// net/http bounds the header only. If the deadline can't be set the connection
	// is gone, or it is no connection, and the read tells.
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(bodyTimeout))
	data, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, bodySlow
	case err != nil:
		return nil, bodyBroken
	case int64(len(data)) > most:
		return nil, bodyTooLarge(most)
	}
	// From here on net/http watches the connection, and takes a deadline that
	// passes for a client that has left.
	_ = conn.SetReadDeadline(time.Time{})
	return data, nil
}

// isJSON tells whether the body is JSON in UTF-8, and nothing around it.
func isJSON(h http.Header) bool {
	values := h["Content-Type"]
	if len(values) != 1 || len(h["Content-Encoding"]) > 0 {
		return false
	}
	kind, parameters, err := mime.ParseMediaType(values[0])
	if err != nil || kind != "application/json" {
		return false
	}
	charset, given := parameters["charset"]
	return !given || strings.EqualFold(charset, "utf-8")
}

func bodyTooLarge(most int64) *refusal {
	return &refusal{ReasonBodyTooLarge, http.StatusRequestEntityTooLarge, fmt.Sprintf("Content Too Large: The body may have %d bytes", most), 0}
}

// settle lets a client hear why its body was not wanted, before the connection
// ends: a close would take the answer along with what arrived unread. What
// still comes is thrown away, within bounds.
func settle(w http.ResponseWriter, r *http.Request) {
	conn := http.NewResponseController(w)
	if conn.Flush() != nil || conn.SetReadDeadline(time.Now().Add(linger)) != nil {
		return // the connection is gone, or it is no connection
	}
	begin := time.Now()
	if _, err := io.CopyN(io.Discard, r.Body, lingerBytes); err == nil { // it goes on
		pause(r.Context(), linger-time.Since(begin), nil)
	}
}
