package server

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
)

// setFilter narrows or widens an open stream of the user's own.
func (s *Server) setFilter(w http.ResponseWriter, r *http.Request) *refusal {
	user, id, no := s.own(r)
	if no != nil {
		return no
	}
	data, no := readBody(w, r, maxFilterBody)
	if no != nil {
		return no
	}
	filter, no := parseFilterBody(data)
	if no != nil {
		return no
	}
	if !s.deps.Connections.SetFilter(user, id, filter) {
		return unknownConnection
	}
	s.noContent(w)
	return nil
}

// closeStream ends an open stream of the user's own.
func (s *Server) closeStream(w http.ResponseWriter, r *http.Request) *refusal {
	user, id, no := s.own(r)
	if no != nil {
		return no
	}
	if !s.deps.Connections.Close(user, id) {
		return unknownConnection
	}
	s.noContent(w)
	return nil
}

// own is rows 2 to 4 of a call about a stream that is open. Whether it is the
// user's is not looked at here: everything that is wrong with the request is
// told first, for every id alike.
func (s *Server) own(r *http.Request) (orgcast.UserID, string, *refusal) {
	if no := s.admitOwner(r); no != nil {
		return "", "", no
	}
	principal, no := s.principal(r)
	if no != nil {
		return "", "", no
	}
	id, no := parseConnectionID(r.URL.RawQuery)
	return principal.User, id, no
}

// connectionIDLength is that of 128 bits in base64url.
const connectionIDLength = 22

func parseConnectionID(rawQuery string) (string, *refusal) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return "", malformedQuery
	}
	values := query["connectionId"]
	if !slices.ContainsFunc(values, func(v string) bool { return v != "" }) {
		return "", missingConnection
	}
	if len(values) > 1 || len(values[0]) != connectionIDLength {
		return "", connectionID
	}
	for _, c := range []byte(values[0]) {
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return "", connectionID
		}
	}
	return values[0], nil
}

// parseFilterBody reads {"channels":[…],"types":[…]}. What is absent or empty
// narrows nothing, as in the stream's own parameters.
func parseFilterBody(data []byte) (orgcast.Filter, *refusal) {
	var body struct {
		Channels codec.Raw `json:"channels"`
		Types    codec.Raw `json:"types"`
	}
	if err := codec.Unmarshal(data, &body); err != nil {
		return orgcast.Filter{}, malformedBody(explain(err))
	}
	channels, ok := texts(body.Channels)
	if !ok {
		return orgcast.Filter{}, malformedBody("channels must be an array of texts")
	}
	types, ok := texts(body.Types)
	if !ok {
		return orgcast.Filter{}, malformedBody("types must be an array of texts")
	}
	return parseFilter(channels, types)
}

// texts reads an array of texts; nil is an absent one. A null is neither.
func texts(raw codec.Raw) ([]string, bool) {
	if raw == nil {
		return nil, true
	}
	var list []*string
	if err := codec.Loose(raw, &list); err != nil || list == nil {
		return nil, false
	}
	all := make([]string, 0, len(list))
	for _, text := range list {
		if text == nil {
			return nil, false
		}
		all = append(all, *text)
	}
	return all, true
}

// explain says what the codec refused.
func explain(err error) string {
	switch {
	case errors.Is(err, codec.ErrUnknown), errors.Is(err, codec.ErrDuplicate):
		return strings.TrimPrefix(err.Error(), "read JSON: ") // names the member
	case errors.Is(err, codec.ErrTrailing):
		return "text after the object"
	case errors.Is(err, codec.ErrTooDeep):
		return "nested too deep"
	case errors.Is(err, codec.ErrType):
		return "not an object"
	}
	return "not JSON in UTF-8"
}

func malformedBody(why string) *refusal {
	return &refusal{ReasonBodyMalformed, http.StatusBadRequest, "Malformed body: " + why, 0}
}
