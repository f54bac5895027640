package sse

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/oikion/orgcast"
)

var cursor = orgcast.Cursor{Epoch: 723, LSN: 4242424242, Index: 16}

// FuzzOneFrame holds the wire's first promise: whatever the text, a frame is
// one block with one data line that parses back to the text.
func FuzzOneFrame(f *testing.F) {
	for _, s := range []string{"", "plain", `","timestamp":7,"`, "a\nb\r\n\ndata: x", "\x00\x1b\x7f", "</script>", "\u2028\u2029", "\xff\xfe", `\"`, "κτήμα", strings.Repeat("x", 70) + "\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		frame := AppendEventHead(nil, cursor, orgcast.DataSync, orgcast.OrganizationID(s), 1, SourceApp)
		frame = append(frame, `{"text":`...)
		start := len(frame)
		frame = AppendString(frame, s)
		// The fast one says the same, with room and without.
		for _, dst := range [][]byte{nil, make([]byte, 3, 1024)} {
			if got := AppendText(dst, []byte(s)); string(got[len(dst):]) != string(frame[start:]) {
				t.Fatalf("AppendText(%q) is %q, AppendString %q", s, got[len(dst):], frame[start:])
			}
		}
		frame = append(frame, `,"json":`...)
		frame = AppendJSON(frame, []byte(s))
		frame = append(frame, '}')
		frame = AppendEventTail(frame, false)
		body, ok := bytes.CutSuffix(frame, []byte("\n\n"))
		if !ok || bytes.Count(body, []byte("\n")) != 1 {
			t.Fatalf("not one frame: %q", frame)
		}
		for _, r := range string(body) {
			if r < 0x20 && r != '\n' || r == 0x7f || r == '<' || r == '\u2028' || r == '\u2029' {
				t.Fatalf("%q on the wire: %q", r, frame)
			}
		}
		if !utf8.Valid(frame) {
			t.Fatalf("invalid UTF-8: %q", frame)
		}
		if ms, ok := Timestamp(frame); !ok || ms != 1 {
			t.Fatalf("timestamp %d, %v: %q", ms, ok, frame)
		}
		head, _, _ := bytes.Cut(frame, []byte(`,"json":`))
		_, data, _ := bytes.Cut(head, []byte("\ndata: "))
		var e struct {
			OrganizationID string
			Payload        struct{ Text string }
		}
		if err := json.Unmarshal(append(bytes.Clone(data), "}}"...), &e); err != nil {
			t.Fatalf("%v: %q", err, data)
		}
		if want := strings.ToValidUTF8(s, "\uFFFD"); utf8.ValidString(s) && (e.Payload.Text != want || e.OrganizationID != want) {
			t.Fatalf("%q became %q", s, e.Payload.Text)
		}
	})
}

func TestJSONPassesOnOneLine(t *testing.T) {
	for in, want := range map[string]string{
		`{"a": [1, 2.50, null], "b": "x y"}`:  `{"a": [1, 2.50, null], "b": "x y"}`,
		"{\n\t\"a\" :\r\n \"</b>\\n\\\"\"\n}": `{"a":"\u003c/b>\n\""}`,
		"\"cu\nt":                             `"\"cu\nt"`,
		"\"\u2028\"":                          `"\u2028"`,
	} {
		got := string(AppendJSON(nil, []byte(in)))
		if got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("%q: %s is no JSON", in, got)
		}
	}
}

func TestControlMessagesAreWrittenAsTheContractSays(t *testing.T) {
	at := time.UnixMilli(1763881200000)
	hello := Hello{
		RetryMS: 1234, Fresh: true, Cursor: cursor, Time: at, Channel: "all", User: "user_a", ConnectionID: "c1", Scope: "s1",
		Organizations: []Organization{{ID: "org_a", Name: "Acme"}},
	}
	resumed := hello
	resumed.Fresh = false
	c := cursor.String()
	for _, tt := range []struct{ name, got, want string }{
		{"hello", string(AppendHello(nil, &hello)), "retry: 1234\nid: " + c + "\n" + `data: {"type":"connection","status":"connected","timestamp":1763881200000,"organizationId":"org_a","organizationName":"Acme","channel":"all","userId":"user_a","connectionId":"c1","cursor":"` + c + `","scope":"s1","organizations":[{"id":"org_a","name":"Acme"}]}` + "\n\n"},
		{"resumed hello has no id", string(AppendHello(nil, &resumed)[:20]), "retry: 1234\ndata: {\""},
		{"ready", string(AppendReady(nil, cursor, 7)), "id: " + c + "\n" + `data: {"type":"ready","cursor":"` + c + `","replayed":7}` + "\n\n"},
		{"status", string(AppendStatus(nil, orgcast.FeedStale, at)), `data: {"type":"status","state":"stale","since":1763881200000}` + "\n\n"},
		{"reset", string(AppendReset(nil, orgcast.ResetTooOld, cursor)), "id: " + c + "\n" + `data: {"type":"reset","reason":"too_old","cursor":"` + c + `"}` + "\n\n"},
		{"closing", string(AppendClosing(nil, Closing{Reason: orgcast.ClosingMembershipRevoked, Organization: "org_a", RetryMS: 3})), "retry: 3\n" + `data: {"type":"closing","reason":"membership_revoked","organizationId":"org_a","reconnect":false,"retryMs":3}` + "\n\n"},
		{"heartbeat", string(AppendHeartbeat(nil, at, cursor)), ": heartbeat 1763881200000\nid: " + c + "\n\n"},
		{"heartbeat of a replaying stream", string(AppendHeartbeat(nil, at, orgcast.Cursor{})), ": heartbeat 1763881200000\n\n"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, tt.got, tt.want)
		}
	}
}

func TestReaderSeesWhatEventSourceSees(t *testing.T) {
	stream := AppendHello(nil, &Hello{RetryMS: 5, Cursor: cursor, Time: time.UnixMilli(0)})
	stream = AppendHeartbeat(stream, time.UnixMilli(1), orgcast.Cursor{})
	stream = AppendHeartbeat(stream, time.UnixMilli(2), cursor)
	stream = append(stream, "id: cut\ndata: never"...)
	r := NewReader(bytes.NewReader(stream))
	m, err := r.Next()
	if err != nil || m.RetryMS != 5 || m.ID != "" || !bytes.Contains(m.Data, []byte(`"connection"`)) {
		t.Fatalf("hello: %+v %v", m, err)
	}
	if m, err = r.Next(); err != nil || m.Data != nil || m.ID != cursor.String() {
		t.Fatalf("heartbeat: %+v %v", m, err)
	}
	if m, err = r.Next(); err != io.EOF {
		t.Fatalf("a block that was cut was delivered: %+v %v", m, err)
	}
}

// BenchmarkAppendText is one column of some hundred bytes, in two languages and
// with line breaks.
func BenchmarkAppendText(b *testing.B) {
	for name, text := range map[string]string{
		"english": "Bright third-floor apartment, five minutes from the metro, renovated in 2021 with new wiring.",
		"greek":   "Φωτεινό διαμέρισμα τρίτου ορόφου, πέντε λεπτά από το μετρό, ανακαινισμένο.",
		"lines":   "Bright third-floor apartment,\nfive minutes from the metro,\nrenovated in 2021.\n",
	} {
		b.Run(name, func(b *testing.B) {
			source, dst := []byte(text), make([]byte, 0, 1024)
			b.SetBytes(int64(len(source)))
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendText(dst[:0], source)
			}
		})
	}
}

func TestDataIsTheDataLineOfAnEventAndNothingElse(t *testing.T) {
	event := AppendEventHead(nil, cursor, orgcast.DataSync, "org_a", 1, SourcePostgres)
	event = AppendString(event, "\ndata: x\n")
	event = AppendEventTail(event, false)
	m, err := NewReader(bytes.NewReader(event)).Next()
	if err != nil || string(Data(event)) != string(m.Data) || len(m.Data) == 0 {
		t.Errorf("got %q, the reader sees %q, %v", Data(event), m.Data, err)
	}
	if got := Data(AppendHeartbeat(nil, time.UnixMilli(1), cursor)); got != nil {
		t.Errorf("a heartbeat has the data %q", got)
	}
}

func TestOnlyAnEventTellsATimestamp(t *testing.T) {
	event := AppendEventTail(append(AppendEventHead(nil, cursor, orgcast.DataSync, "a", 1763881200123, SourcePostgres), "{}"...), false)
	if ms, ok := Timestamp(event); !ok || ms != 1763881200123 {
		t.Errorf("an event's: %d, %v", ms, ok)
	}
	for _, frame := range [][]byte{
		nil, []byte("id: k3.1.0\n\n"), AppendReset(nil, orgcast.ResetMoved, cursor),
		AppendHello(nil, &Hello{Time: time.UnixMilli(1), Organizations: []Organization{{ID: "a"}}}),
		[]byte("id: k3.1.0\ndata: {\"id\":\"k3.1.0\",\"timestamp\":\"1\"}\n\n"),
	} {
		if ms, ok := Timestamp(frame); ok {
			t.Errorf("%q tells %d", frame, ms)
		}
	}
}
