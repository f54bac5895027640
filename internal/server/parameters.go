package server

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/oikion/orgcast"
)

// parseStream reads what is asked for. An empty value counts as absent, as it
// does for the clients that were there before.
func parseStream(rawQuery string, h http.Header) (StreamRequest, *refusal) {
	var asked StreamRequest
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return asked, malformedQuery
	}
	var no *refusal
	if asked.Organizations, no = parseOrganizations(query["organizationId"]); no != nil {
		return asked, no
	}
	if asked.Filter, no = parseFilter(query["channel"], query["type"]); no != nil {
		return asked, no
	}
	asked.Resume = parseResume(h.Get("Last-Event-ID"), query.Get("lastEventId"))
	return asked, nil
}

// parseOrganizations keeps the first of equal ids.
func parseOrganizations(values []string) ([]orgcast.OrganizationID, *refusal) {
	if !slices.ContainsFunc(values, func(v string) bool { return v != "" }) {
		return nil, missingOrganization
	}
	var ids []orgcast.OrganizationID
	for _, v := range values {
		if v == "" || len(v) > orgcast.MaxOrganizationID {
			return nil, organizationID
		}
		id := orgcast.OrganizationID(v)
		if slices.Contains(ids, id) {
			continue
		}
		if len(ids) == MaxOrganizations {
			return nil, tooManyOrganizations
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func parseFilter(channelNames, typeNames []string) (orgcast.Filter, *refusal) {
	var f orgcast.Filter
	all := false
	for _, name := range channelNames {
		c, ok := orgcast.ParseChannel(name)
		switch {
		case ok:
			f.AddChannel(c)
		case name == "all":
			all = true
		case name != "":
			return f, unknownChannel
		}
	}
	if all {
		f.AllChannels()
	}
	for _, name := range typeNames {
		t, ok := orgcast.ParseEventType(name)
		switch {
		case ok:
			f.AddType(t)
		case name != "":
			return f, unknownType
		}
	}
	return f, nil
}

// parseResume lets the header win: a native EventSource repeats its URL, and
// the parameter in it, for ever, but moves its header along.
func parseResume(header, parameter string) Resume {
	text := header
	if text == "" {
		text = parameter
	}
	if text == "" {
		return Resume{}
	}
	c, err := orgcast.ParseCursor(text)
	return Resume{Cursor: c, Present: true, Malformed: err != nil}
}
