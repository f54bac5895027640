package admin

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/oikion/orgcast/internal/codec"
)

// maxBody bounds the body of a call, bodyTimeout the reading of it.
const (
	maxBody     = 4 << 10
	bodyTimeout = 5 * time.Second
)

// read reads a call's JSON body into v. False: it was refused, and answered.
func read(w http.ResponseWriter, r *http.Request, v any) bool {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		text(w, http.StatusUnsupportedMediaType, "Unsupported Media Type: application/json is taken")
		return false
	}
	// If the deadline can't be set the connection is gone, or it is none.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // or it would end the call itself
	if err != nil {
		status, body := http.StatusBadRequest, "Bad Request: body can't be read"
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			status, body = http.StatusRequestEntityTooLarge, "Payload Too Large"
		}
		text(w, status, body)
		return false
	}
	if err := codec.Unmarshal(data, v); err != nil {
		text(w, http.StatusBadRequest, "Bad Request: "+err.Error())
		return false
	}
	return true
}
