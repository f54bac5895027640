package sse

import (
	"bytes"
	"strconv"

	"github.com/oikion/orgcast"
)

// Version is the version of the event envelope.
const Version = "1.0.0"

// The sources of events.
const (
	SourcePostgres = "postgres"
	SourceApp      = "app"
)

// AppendEventHead begins an event: all up to its payload, which the caller
// appends as one JSON value before [AppendEventTail]. timestamp is the commit
// time in milliseconds since 1970.
func AppendEventHead(dst []byte, c orgcast.Cursor, t orgcast.EventType, organization orgcast.OrganizationID, timestamp int64, source string) []byte {
	dst = append(dst, "id: "...)
	from := len(dst)
	dst = c.Append(dst)
	to := len(dst)
	dst = append(dst, "\ndata: {\"id\":\""...)
	dst = append(dst, dst[from:to]...)
	dst = append(dst, `","type":"`...)
	dst = append(dst, t.String()...)
	dst = append(dst, `","organizationId":`...)
	dst = AppendString(dst, string(organization))
	dst = append(dst, `,"timestamp":`...)
	dst = strconv.AppendInt(dst, timestamp, 10)
	dst = append(dst, `,"source":"`...)
	dst = append(dst, source...)
	return append(dst, `","version":"`+Version+`","payload":`...)
}

// AppendEventTail ends an event. truncated says that it was too large and
// carries keys only.
func AppendEventTail(dst []byte, truncated bool) []byte {
	if truncated {
		dst = append(dst, `,"truncated":true`...)
	}
	return append(dst, "}\n\n"...)
}

// Timestamp is the commit time of a finished event, in milliseconds since 1970.
// ok is false for what is none.
func Timestamp(frame []byte) (ms int64, ok bool) {
	// Before it there are names and an encoded id, in which a quote is escaped.
	_, rest, ok := bytes.Cut(frame, []byte(`,"timestamp":`))
	if !ok || !bytes.HasPrefix(frame, []byte("id: ")) {
		return 0, false
	}
	digits := 0
	for ; digits < len(rest) && digits < 15 && rest[digits] >= '0' && rest[digits] <= '9'; digits++ {
		ms = 10*ms + int64(rest[digits]-'0')
	}
	return ms, digits > 0
}

// Data is the JSON text of a finished event's data line, without copying it; nil
// for what is none.
func Data(frame []byte) []byte {
	_, data, ok := bytes.Cut(frame, []byte("\ndata: "))
	if !ok {
		return nil
	}
	data, _, _ = bytes.Cut(data, []byte("\n"))
	return data
}
