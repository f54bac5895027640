package admin

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
)

// maxBody bounds the body of a call, bodyTimeout the reading of it.
const (
	maxBody     = 4 << 10
	bodyTimeout = 5 * time.Second
)

// kick ends the streams of a user, of an organization, or of the one in the
// other: {"userId":…,"organizationId":…} → {"closed":n}.
func kick(end func(orgcast.UserID, orgcast.OrganizationID) int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
			text(w, http.StatusUnsupportedMediaType, "Unsupported Media Type: application/json is taken")
			return
		}
		// If the deadline can't be set the connection is gone, or it is none.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
		data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			status, body := http.StatusBadRequest, "Bad Request: body can't be read"
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				status, body = http.StatusRequestEntityTooLarge, "Payload Too Large"
			}
			text(w, status, body)
			return
		}
		var asked struct {
			User         orgcast.UserID         `json:"userId"`
			Organization orgcast.OrganizationID `json:"organizationId"`
		}
		if err := codec.Unmarshal(data, &asked); err != nil {
			text(w, http.StatusBadRequest, "Bad Request: "+err.Error())
			return
		}
		if asked.User == "" && asked.Organization == "" {
			text(w, http.StatusBadRequest, "Bad Request: userId, organizationId or both")
			return
		}
		answer(w, struct {
			Closed int `json:"closed"`
		}{end(asked.User, asked.Organization)})
	}
}
