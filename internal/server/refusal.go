package server

import (
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"

	"github.com/oikion/orgcast"
)

// refusal is an answer other than the one asked for.
type refusal struct {
	reason Reason
	// status is 0 where nobody is left to be answered.
	status int
	// text is the whole body, without a newline: clients compare it.
	// It is plain, unless the handler set another Content-Type.
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
	sessionRate  = &refusal{ReasonSessionRate, http.StatusTooManyRequests, "Too Many Requests: Too many unknown sessions from this address", 6}
	sessionLater = &refusal{ReasonSessionUnconfirmed, http.StatusServiceUnavailable, "Service Unavailable: Session not known yet", 2}

	malformedQuery       = &refusal{ReasonQuery, http.StatusBadRequest, "Malformed query", 0}
	missingOrganization  = &refusal{ReasonMissingOrganization, http.StatusBadRequest, "Missing required parameter: organizationId", 0}
	unknownChannel       = &refusal{ReasonChannel, http.StatusBadRequest, "Unknown channel. Known: " + orgcast.ChannelNames(), 0}
	unknownType          = &refusal{ReasonType, http.StatusBadRequest, "Unknown type. Known: " + orgcast.EventTypeNames(), 0}
	organizationID       = &refusal{ReasonOrganizationID, http.StatusBadRequest, "Invalid organizationId: 1 to 255 bytes", 0}
	tooManyOrganizations = &refusal{ReasonTooManyOrganizations, http.StatusBadRequest, "Too many organizations: at most 16 on one stream", 0}

	missingConnection = &refusal{ReasonConnectionID, http.StatusBadRequest, "Missing required parameter: connectionId", 0}
	connectionID      = &refusal{ReasonConnectionID, http.StatusBadRequest, "Invalid connectionId: 22 characters of base64url", 0}
	pageLimit         = &refusal{ReasonLimit, http.StatusBadRequest, "Invalid limit: 1 to 1000", 0}
	pageWait          = &refusal{ReasonWait, http.StatusBadRequest, "Invalid wait: 0 to 25 seconds", 0}

	notJSON    = &refusal{ReasonBodyType, http.StatusUnsupportedMediaType, "Unsupported Media Type: The body must be application/json", 0}
	bodySlow   = &refusal{ReasonBodySlow, http.StatusRequestTimeout, "Request Timeout: The body took too long", 0}
	bodyBroken = &refusal{ReasonBodyMalformed, http.StatusBadRequest, "Malformed body: not received whole", 0}

	// For a stream of another user as for none.
	unknownConnection = &refusal{ReasonUnknownConnection, http.StatusNotFound, "Not found", 0}

	notMember   = &refusal{ReasonNotMember, http.StatusForbidden, "Forbidden: No access to this organization", 0}
	barrierRate = &refusal{ReasonBarrierRate, http.StatusTooManyRequests, "Too Many Requests: Membership asked for too often", 2}
	unconfirmed = &refusal{ReasonUnconfirmed, http.StatusServiceUnavailable, "Service Unavailable: Membership not known yet", 2}

	userLimit         = &refusal{ReasonUserLimit, http.StatusTooManyRequests, "Too Many Requests: Too many streams of this user", 10}
	organizationLimit = &refusal{ReasonOrganizationLimit, http.StatusTooManyRequests, "Too Many Requests: Too many streams of this organization", 10}

	positionUnknown = &refusal{ReasonPosition, http.StatusServiceUnavailable, "Service Unavailable: Position not known yet", 2}
	pageUnreadable  = &refusal{ReasonPage, http.StatusServiceUnavailable, "Service Unavailable: Events not readable", 2}

	keyRate               = &refusal{ReasonKeyRate, http.StatusTooManyRequests, "Too Many Requests: Too many unknown API keys from this address", 6}
	noKey                 = &refusal{ReasonKey, http.StatusUnauthorized, "Unauthorized", 0}
	publishBusy           = &refusal{ReasonPublishBusy, http.StatusServiceUnavailable, "Service Unavailable: Too many publish at once", 1}
	idempotencyKeyRefused = &refusal{ReasonIdempotencyKey, http.StatusBadRequest, "Invalid Idempotency-Key: 1 to 255 printable ASCII characters", 0}
	keyScope              = &refusal{ReasonKeyScope, http.StatusForbidden, "Forbidden: Not in the scope of this API key", 0}
	invalidEvents         = &refusal{ReasonInvalidEvents, http.StatusBadRequest, "", 0} // its text is the list of problems
	publishDown           = &refusal{ReasonPublishDown, http.StatusServiceUnavailable, "Service Unavailable: Change feed is down, nothing was published", 2}
	publishUnknown        = &refusal{ReasonPublishUnknown, http.StatusGatewayTimeout, "Gateway Timeout: Outcome unknown, retry with the same Idempotency-Key", 0}

	clientGone = &refusal{ReasonClientGone, 0, "", 0}
	panicked   = &refusal{ReasonPanic, http.StatusInternalServerError, "Internal Server Error", 0}
)

// failed is a refusal for a fault of our own, whose cause the operator is told:
// unless it is that the client has left.
func (s *Server) failed(r *http.Request, no *refusal, err error) *refusal {
	if r.Context().Err() != nil {
		return clientGone
	}
	if hook := s.deps.Hooks.Failed; hook != nil {
		hook(no.reason, err)
	}
	return no
}

// refuse counts the refusal and writes it. A refused request that has a body
// ends its connection, however much of it was read.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, no *refusal) {
	if hook := s.deps.Hooks.Refused; hook != nil {
		hook(no.reason)
	}
	if no.status == 0 {
		return
	}
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	if no.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(no.retry+rand.IntN(no.retry+1)))
	}
	h.Set("Content-Length", strconv.Itoa(len(no.text)))
	if r.ContentLength != 0 {
		h.Set("Connection", "close") // what is not read must not be taken for the next request
		defer settle(w, r)
	}
	s.begin(w, writeTimeout)
	w.WriteHeader(no.status)
	_, _ = io.WriteString(w, no.text) // who is refused and does not listen has lost nothing
}
