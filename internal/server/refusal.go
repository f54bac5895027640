package server

import (
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/oikion/orgcast"
)

// refusal is an answer other than the one asked for.
type refusal struct {
	reason Reason
	// status is 0 where nobody is left to be answered.
	status int
	// text is the whole body, without a newline: clients compare it.
	text string
	// retry is the least time, in seconds, after which it is worth asking again;
	// up to as much again is added by chance, or all would come back at once.
	retry int
}

var (
	notAllowed    = &refusal{ReasonOrigin, http.StatusForbidden, "Forbidden: Origin not allowed", 0}
	bodyRefused   = &refusal{ReasonBody, http.StatusRequestEntityTooLarge, "Content Too Large: No body is taken here", 0}
	queryTooLong  = &refusal{ReasonQueryLength, http.StatusRequestURITooLong, "URI Too Long: The query may have 8192 bytes", 0}
	notFound      = &refusal{ReasonNotFound, http.StatusNotFound, "Not Found", 0}
	methodRefused = &refusal{ReasonMethod, http.StatusMethodNotAllowed, "Method Not Allowed", 0}

	draining     = &refusal{ReasonDraining, http.StatusServiceUnavailable, "Service Unavailable: Shutting down", 1}
	connectRate  = &refusal{ReasonConnectRate, http.StatusServiceUnavailable, "Service Unavailable: Too many connects", 2}
	nodeLimit    = &refusal{ReasonNodeLimit, http.StatusServiceUnavailable, "Service Unavailable: Too many streams", 5}
	addressLimit = &refusal{ReasonAddressLimit, http.StatusTooManyRequests, "Too Many Requests: Too many streams from this address", 10}
	neverReady   = &refusal{ReasonNeverReady, http.StatusServiceUnavailable, "Service Unavailable: Change feed not ready", 2}

	unauthorized = &refusal{ReasonUnauthorized, http.StatusUnauthorized, "Unauthorized", 0}

	malformedQuery       = &refusal{ReasonQuery, http.StatusBadRequest, "Malformed query", 0}
	missingOrganization  = &refusal{ReasonMissingOrganization, http.StatusBadRequest, "Missing required parameter: organizationId", 0}
	unknownChannel       = &refusal{ReasonChannel, http.StatusBadRequest, "Unknown channel. Known: " + orgcast.ChannelNames(), 0}
	unknownType          = &refusal{ReasonType, http.StatusBadRequest, "Unknown type. Known: " + orgcast.EventTypeNames(), 0}
	organizationID       = &refusal{ReasonOrganizationID, http.StatusBadRequest, "Invalid organizationId: 1 to 255 bytes", 0}
	tooManyOrganizations = &refusal{ReasonTooManyOrganizations, http.StatusBadRequest, "Too many organizations: at most 16 on one stream", 0}

	notMember   = &refusal{ReasonNotMember, http.StatusForbidden, "Forbidden: No access to this organization", 0}
	barrierRate = &refusal{ReasonBarrierRate, http.StatusTooManyRequests, "Too Many Requests: Membership asked for too often", 2}
	unconfirmed = &refusal{ReasonUnconfirmed, http.StatusServiceUnavailable, "Service Unavailable: Membership not known yet", 2}

	userLimit         = &refusal{ReasonUserLimit, http.StatusTooManyRequests, "Too Many Requests: Too many streams of this user", 10}
	organizationLimit = &refusal{ReasonOrganizationLimit, http.StatusTooManyRequests, "Too Many Requests: Too many streams of this organization", 10}

	clientGone = &refusal{ReasonClientGone, 0, "", 0}
	panicked   = &refusal{ReasonPanic, http.StatusInternalServerError, "Internal Server Error", 0}
)

// refuse counts the refusal and writes it.
func (s *Server) refuse(w http.ResponseWriter, no *refusal) {
	if hook := s.deps.Hooks.Refused; hook != nil {
		hook(no.reason)
	}
	if no.status == 0 {
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	if no.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(no.retry+rand.IntN(no.retry+1)))
	}
	// The request may have been held for longer than the server's write timeout.
	// If the deadline can't be set the connection is gone, or it is no connection,
	// and the write tells.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	w.WriteHeader(no.status)
	_, _ = io.WriteString(w, no.text) // who is refused and does not listen has lost nothing
}
