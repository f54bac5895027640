package server

import (
	"net/http"
	"strconv"
	"time"
)

// begin gives an answer its time. The request may have been held for longer
// than the server's write timeout. If the deadline can't be set the connection
// is gone, or it is no connection, and the write tells.
func (s *Server) begin(w http.ResponseWriter, timeout time.Duration) {
	if s.draining() { // perhaps since the request was held
		w.Header().Set("Connection", "close")
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(timeout))
}

// json answers with a JSON text that comes in parts.
func (s *Server) json(w http.ResponseWriter, status int, timeout time.Duration, parts ...[]byte) {
	length := 0
	for _, part := range parts {
		length += len(part)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(length)) // so that a cut answer is seen to be one
	s.begin(w, timeout)
	w.WriteHeader(status)
	for _, part := range parts {
		if _, err := w.Write(part); err != nil {
			return // net/http cuts the connection, and the client sees half a text
		}
	}
}

// noContent answers that it is done.
func (s *Server) noContent(w http.ResponseWriter) {
	s.begin(w, writeTimeout)
	w.WriteHeader(http.StatusNoContent)
}
