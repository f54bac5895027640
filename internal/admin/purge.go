package admin

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/oikion/orgcast"
)

// Purged is what a purge removed from the event log.
type Purged struct {
	Organization orgcast.OrganizationID `json:"organizationId"`
	// Events and Bytes, before compression, are what was there until then.
	Events uint64 `json:"events"`
	Bytes  uint64 `json:"bytes"`
	// Floor is the lowest cursor that the organization can be resumed from now.
	Floor string `json:"floor"`
}

// ErrNotYet is returned by who is asked before the change feed was ever ready.
var ErrNotYet = errors.New("the event log is not open yet")

// purge removes an organization's events from the log, one organization at a
// time: {"organizationId":…} → [Purged]. It answers when they are gone from the
// tables, too; a client that leaves before that leaves them hidden.
func purge(remove func(context.Context, orgcast.OrganizationID) (Purged, error)) http.HandlerFunc {
	var running sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Organization orgcast.OrganizationID `json:"organizationId"`
		}
		if !read(w, r, &asked) {
			return
		}
		if problem := checkOrganization(asked.Organization); problem != "" {
			text(w, http.StatusBadRequest, "Bad Request: "+problem)
			return
		}
		if !running.TryLock() {
			text(w, http.StatusConflict, "Conflict: another purge is running")
			return
		}
		defer running.Unlock()
		switch p, err := remove(r.Context(), asked.Organization); {
		case errors.Is(err, ErrNotYet):
			text(w, http.StatusServiceUnavailable, "Service Unavailable: "+err.Error())
		case err != nil:
			text(w, http.StatusInternalServerError, "Internal Server Error: "+err.Error())
		default:
			answer(w, p)
		}
	}
}

// checkOrganization says what is wrong with an organization's id, "" if nothing
// is.
func checkOrganization(id orgcast.OrganizationID) string {
	switch {
	case id == "":
		return "organizationId is missing"
	case id == orgcast.Everyone:
		return "organizationId: one organization, not all of them"
	case len(id) > orgcast.MaxOrganizationID:
		return "organizationId is too long"
	}
	return ""
}
