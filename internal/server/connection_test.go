package server

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/oikion/orgcast"
)

// Whose stream it is, and whether there is one, can't be told: not from a byte
// of the answer, not from what was done.
func TestForeignConnectionID(t *testing.T) {
	for _, good := range []func() *ask{goodFilter, goodClose} {
		t.Run("foreign-connection-id/"+good().method, func(t *testing.T) {
			run := func(id, body string) (string, []string) {
				w, a := newWholeWorld(), good()
				a.query.Set("connectionId", id)
				if a.body != "" {
					a.body = body
				}
				got := dateLine.ReplaceAllString(send(t, listen(t, w.server()), a.String()), "")
				if len(w.filters) != 0 || len(w.closed) != 0 {
					t.Errorf("%s: filters %v, closed %v", id, w.filters, w.closed)
				}
				return got, w.calls()
			}
			for _, body := range []string{`{}`, `{"channels":["user"]}`, `{"channels":["users"]}`, `{`} {
				foreign, foreignCalls := run(foreignID, body)
				unknown, unknownCalls := run(unknownID, body)
				if foreign != unknown || !slices.Equal(foreignCalls, unknownCalls) {
					t.Errorf("foreign %q after %v, unknown %q after %v", foreign, foreignCalls, unknown, unknownCalls)
				}
				if want := strings.HasPrefix(body, "{\"channels\":[\"users\"") || body == "{"; good().body != "" && want {
					if !strings.HasPrefix(foreign, "HTTP/1.1 400 ") {
						t.Errorf("%s: got %q", body, foreign)
					}
				} else if !strings.HasPrefix(foreign, "HTTP/1.1 404 Not Found\r\n") || !strings.HasSuffix(foreign, "\r\n\r\nNot found") {
					t.Errorf("%s: got %q", body, foreign)
				}
			}
		})
	}
}

func TestOnesOwnStreamIsNarrowedAndClosed(t *testing.T) {
	w, a := newWholeWorld(), goodFilter()
	a.body = "\n" + ` {"types": ["property.update","data.sync"], "channels": ["property", "system"]} `
	a.header["Content-Type"] = []string{"application/json; charset=UTF-8"}
	address := listen(t, w.server())
	if got := send(t, address, a.String()); !strings.HasPrefix(got, "HTTP/1.1 204 ") {
		t.Fatalf("got %q", got)
	}
	f := w.filters[ownID]
	if f.ChannelLabel() != "property,system" || !f.Passes(orgcast.PropertyUpdate) || f.Passes(orgcast.DataSync) || f.Passes(orgcast.SystemAlert) {
		t.Errorf("got filter %+v", f)
	}
	if got := send(t, address, goodClose().String()); !strings.HasPrefix(got, "HTTP/1.1 204 ") || !slices.Equal(w.closed, []string{ownID}) {
		t.Errorf("closed %v with %q", w.closed, got)
	}
}

// A full node is no reason to keep a stream that its owner wants to close.
func TestTheOwnerOfAStreamNeedsNoPlace(t *testing.T) {
	for _, good := range []func() *ask{goodFilter, goodClose} {
		w := newWholeWorld()
		for _, limit := range []Reason{ReasonAddressLimit, ReasonNodeLimit, ReasonUserLimit, ReasonOrganizationLimit} {
			w.full[limit] = true
		}
		if got := send(t, listen(t, w.server()), good().String()); !strings.HasPrefix(got, "HTTP/1.1 204 ") {
			t.Errorf("%s: got %q", good().method, got)
		}
	}
}

func TestAConnectionCarriesOneFilterAfterTheOther(t *testing.T) {
	w := newWholeWorld()
	conn, err := net.Dial("tcp", listen(t, w.server()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	a := goodFilter()
	a.header.Del("Connection")
	for _, body := range []string{`{}`, `{"channels":["system"]}`, `{}`} {
		a.body = body
		if _, err := io.WriteString(conn, a.String()); err != nil {
			t.Fatal(err)
		}
		if r, err := http.ReadResponse(reader, nil); err != nil || r.StatusCode != http.StatusNoContent || r.Close {
			t.Fatalf("%s: got %v, %v", body, r, err)
		}
	}
}

func TestAFilterIsReadStrictlyAndTheAnswerSaysWhatIsWrong(t *testing.T) {
	for body, want := range map[string]string{
		`{}`:                                  "all",
		`{"channels":[],"types":[]}`:          "all",
		`{"channels":["all","user"]}`:         "all",
		`{"channels":["system","user"]}`:      "user,system",
		`{"channels":["user","user"]}`:        "user",
		`{"\u0063hannels":["user"]}`:          "user",
		``:                                    "Malformed body: not JSON in UTF-8",
		`{`:                                   "Malformed body: not JSON in UTF-8",
		"{\"channels\":[\"\xff\"]}":           "Malformed body: not JSON in UTF-8",
		`null`:                                "Malformed body: not an object",
		`[]`:                                  "Malformed body: not an object",
		`"user"`:                              "Malformed body: not an object",
		`{} {}`:                               "Malformed body: text after the object",
		`{}x`:                                 "Malformed body: text after the object",
		`{"channels":[],"channels":["user"]}`: `Malformed body: duplicate member "channels"`,
		`{"channels":[],"Channels":["user"]}`: `Malformed body: unknown member "Channels"`,
		`{"channel":["user"]}`:                `Malformed body: unknown member "channel"`,
		`{"x<script>":1}`:                     `Malformed body: unknown member "x<script>"`,
		`{"channels":"user"}`:                 "Malformed body: channels must be an array of texts",
		`{"channels":null}`:                   "Malformed body: channels must be an array of texts",
		`{"channels":[null]}`:                 "Malformed body: channels must be an array of texts",
		`{"channels":[1]}`:                    "Malformed body: channels must be an array of texts",
		`{"channels":{"user":true}}`:          "Malformed body: channels must be an array of texts",
		`{"types":[["data.sync"]]}`:           "Malformed body: types must be an array of texts",
		`{"types":true}`:                      "Malformed body: types must be an array of texts",
		`{"channels":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`: "Malformed body: nested too deep",
		`{"channels":[""]}`:     unknownChannel.text,
		`{"channels":["USER"]}`: unknownChannel.text,
		`{"types":[""]}`:        unknownType.text,
		`{"types":["all"]}`:     unknownType.text,
	} {
		f, no := parseFilterBody([]byte(body))
		got := f.ChannelLabel()
		if no != nil {
			got = no.text
			if no.status != http.StatusBadRequest {
				t.Errorf("%s: status %d", body, no.status)
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}

func TestConnectionIDsAreReadStrictly(t *testing.T) {
	for query, want := range map[string]*refusal{
		"connectionId=" + ownID:                           nil,
		"connectionId=" + unknownID:                       nil,
		"connectionId=" + ownID + "&organizationId=org_a": nil,
		"":                      missingConnection,
		"connectionId=":         missingConnection,
		"connectionid=" + ownID: missingConnection,
		"connectionId=" + ownID + "&connectionId=" + ownID: connectionID,
		"connectionId=" + ownID + "&connectionId=":         connectionID,
		"connectionId=" + ownID[1:]:                        connectionID,
		"connectionId=" + ownID + "==":                     connectionID,
		"connectionId=" + ownID[1:] + "%2B":                connectionID,
		"connectionId=" + ownID[1:] + "/":                  connectionID,
		"connectionId=" + ownID[1:] + "%00":                connectionID,
		"connectionId=" + ownID[2:] + "é":                  connectionID,
		"connectionId=%":                                   malformedQuery,
	} {
		if _, no := parseConnectionID(query); no != want {
			t.Errorf("%q: got %+v", query, no)
		}
	}
}

// Whatever comes, it is a filter or a 400 that says why.
func FuzzParseFilterBody(f *testing.F) {
	for _, seed := range []string{`{}`, `{"channels":["user","all"],"types":["data.sync"]}`, `{"channels":null}`, `{"types":[1]}`, `{"a":[[[]]]}`, `{}{}`, "{\"\xff\":1}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_, no := parseFilterBody(body)
		if no == nil {
			if !strings.HasPrefix(strings.TrimLeft(string(body), " \t\r\n"), "{") {
				t.Fatalf("took %q", body)
			}
			return
		}
		if no.status != http.StatusBadRequest || no.text == "" || !slices.Contains(Reasons(), no.reason) || strings.ContainsAny(no.text, "\r\n\x00") {
			t.Fatalf("%q: refused with %+v", body, no)
		}
	})
}

func FuzzParseConnectionID(f *testing.F) {
	f.Add("connectionId=" + ownID)
	f.Add("connectionId=%41&x")
	f.Add("connectionId=a;b")
	f.Fuzz(func(t *testing.T, query string) {
		id, no := parseConnectionID(query)
		if (no == nil) != (len(id) == connectionIDLength) || no == nil && url.QueryEscape(id) != id {
			t.Fatalf("%q: got %q, %+v", query, id, no)
		}
	})
}
