package server

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/oikion/orgcast"
)

// parseStream reads what is asked for.
func parseStream(rawQuery string, h http.Header) (StreamRequest, *refusal) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return StreamRequest{}, malformedQuery
	}
	asked, no := parseAsked(query)
	asked.Resume = parseResume(h.Get("Last-Event-ID"), query.Get("lastEventId"))
	return asked, no
}

// parsePage reads the same of a page of events, whose cursor has another name,
// and its bounds. No header moves that cursor: each page is asked for anew.
func parsePage(rawQuery string) (StreamRequest, PageRequest, *refusal) {
	want := PageRequest{MaxBytes: maxPageBytes}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return StreamRequest{}, want, malformedQuery
	}
	asked, no := parseAsked(query)
	if no != nil {
		return asked, want, no
	}
	asked.Resume = parseResume("", query.Get("after"))
	var ok bool
	if want.Limit, ok = parseNumber(query.Get("limit"), defaultPageEvents, 1, MaxPageEvents); !ok {
		return asked, want, pageLimit
	}
	seconds, ok := parseNumber(query.Get("wait"), 0, 0, int(MaxPageWait/time.Second))
	if !ok {
		return asked, want, pageWait
	}
	want.Wait = time.Duration(seconds) * time.Second
	return asked, want, nil
}

// parseAsked reads whose events are asked for, and which. An empty value counts
// as absent, as it does for the clients that were there before.
func parseAsked(query url.Values) (asked StreamRequest, no *refusal) {
	if asked.Organizations, no = parseOrganizations(query["organizationId"]); no != nil {
		return asked, no
	}
	asked.Filter, no = parseFilter(given(query["channel"]), given(query["type"]))
	return asked, no
}

// parseCursorQuery reads for whom a position is asked.
func parseCursorQuery(rawQuery string) ([]orgcast.OrganizationID, *refusal) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, malformedQuery
	}
	return parseOrganizations(query["organizationId"])
}

// parseNumber reads decimal digits; empty is absent.
func parseNumber(text string, absent, least, most int) (int, bool) {
	if text == "" {
		return absent, true
	}
	n, err := strconv.ParseUint(text, 10, 31) // no sign, no space, no underscore
	return int(n), err == nil && int(n) >= least && int(n) <= most
}

// given leaves out empty values.
func given(values []string) []string {
	return slices.DeleteFunc(values, func(v string) bool { return v == "" })
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
		default:
			return f, unknownChannel
		}
	}
	if all {
		f.AllChannels()
	}
	for _, name := range typeNames {
		t, ok := orgcast.ParseEventType(name)
		if !ok {
			return f, unknownType
		}
		f.AddType(t)
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
