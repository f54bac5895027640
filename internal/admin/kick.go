package admin

import (
	"net/http"

	"github.com/oikion/orgcast"
)

// kick ends the streams of a user, of an organization, or of the one in the
// other: {"userId":…,"organizationId":…} → {"closed":n}.
func kick(end func(orgcast.UserID, orgcast.OrganizationID) int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			User         orgcast.UserID         `json:"userId"`
			Organization orgcast.OrganizationID `json:"organizationId"`
		}
		if !read(w, r, &asked) {
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
