package codec

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

type inner struct {
	Name string `json:"name"`
}

type Embedded struct {
	ID string `json:"id"`
}

type outer struct {
	Embedded
	UserID string            `json:"userId"`
	Plain  int               // no tag: its own name
	Hidden string            `json:"-"`
	One    *inner            `json:"one"`
	Many   []inner           `json:"many"`
	ByName map[string]inner  `json:"byName"`
	Any    any               `json:"any"`
	Raw    json.RawMessage   `json:"raw"`
	When   time.Time         `json:"when"`
	Texts  map[string]string `json:"texts,omitempty"`
}

func TestUnmarshalReadsWhatMarshalWrote(t *testing.T) {
	want := outer{
		Embedded: Embedded{"e"}, UserID: "u", Plain: 7, One: &inner{"a"}, Many: []inner{{"b"}, {"c"}}, ByName: map[string]inner{"x": {"d"}},
		Any: map[string]any{"k": []any{"v", nil, true}}, Raw: json.RawMessage(`{"deep":[1]}`), When: time.Unix(1, 0).UTC(), Texts: map[string]string{"t": "u"},
	}
	text, err := Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got outer
	if err := Unmarshal([]byte(" \n"+string(text)+"\t\n"), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	var list []inner
	if err := Unmarshal([]byte(`[{"name":"a"},{"name":null}]`), &list); err != nil || len(list) != 2 {
		t.Errorf("a list: %v, %v", list, err)
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want error
	}{
		"nothing":                      {``, ErrMalformed},
		"half an object":               {`{"userId":"u"`, ErrMalformed},
		"a comma too many":             {`{"userId":"u",}`, ErrMalformed},
		"no UTF-8":                     {"{\"userId\":\"\xff\"}", ErrMalformed},
		"a bare null":                  {`null`, ErrType},
		"a bare text":                  {`"userId"`, ErrType},
		"an array for an object":       {`[]`, ErrType},
		"a wrong type":                 {`{"userId":7}`, ErrType},
		"a second value":               {`{"userId":"u"}{"userId":"v"}`, ErrTrailing},
		"text behind":                  {`{"userId":"u"} x`, ErrTrailing},
		"an unknown member":            {`{"user":"u"}`, ErrUnknown},
		"another case":                 {`{"userID":"u"}`, ErrUnknown},
		"another case by folding":      {`{"u` + "\u017f" + `erId":"u"}`, ErrUnknown},
		"a hidden member":              {`{"Hidden":"u"}`, ErrUnknown},
		"a member twice":               {`{"userId":"u","userId":"v"}`, ErrDuplicate},
		"a member twice by escape":     {`{"userId":"u","\u0075serId":"v"}`, ErrDuplicate},
		"unknown below a pointer":      {`{"one":{"nam":"a"}}`, ErrUnknown},
		"unknown in a list":            {`{"many":[{"name":"a"},{"Name":"a"}]}`, ErrUnknown},
		"unknown in a map":             {`{"byName":{"x":{"y":1}}}`, ErrUnknown},
		"twice below anything":         {`{"any":{"a":[{"b":1,"b":2}]}}`, ErrDuplicate},
		"twice in what is read later":  {`{"raw":{"b":1,"b":2}}`, ErrDuplicate},
		"deeper than MaxDepth":         {`{"any":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + `}`, ErrTooDeep},
		"larger than MaxSize":          {`{"userId":"` + strings.Repeat("u", MaxSize) + `"}`, ErrTooLarge},
		"what its own reader refuses":  {`{"when":"yesterday"}`, ErrMalformed},
		"a number that no field holds": {`{"Plain":1e400}`, ErrType},
	} {
		t.Run(name, func(t *testing.T) {
			var v outer
			if err := Unmarshal([]byte(test.text), &v); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestErrorsDoNotTellValues(t *testing.T) {
	for _, text := range []string{`{"userId":31337}`, `{"Plain":31337.5}`, `{"Plain":"31337"}`, `{"when":"31337"}`, `{"userId":31337`, `{"userId":"31337"} 31337`} {
		var v outer
		err := Unmarshal([]byte(text), &v)
		if err == nil || strings.Contains(err.Error(), "31337") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzUnmarshal holds that whatever is taken is valid JSON of one reading: what
// was read, written again, is taken and read the same.
func FuzzUnmarshal(f *testing.F) {
	for _, s := range []string{`{"userId":"u"}`, `{"id":"e","Plain":1,"one":{"name":"a"},"many":[{}],"any":[1,{"a":null}],"raw":{"x":1}}`, `{"userId":"u","userId":"v"}`, `{"USERID":1}`, `[`, `{} {}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var a, b outer
		if Unmarshal(data, &a) != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatalf("took %q", data)
		}
		text, err := Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if err := Unmarshal(text, &b); err != nil {
			t.Fatalf("%q was taken, but not again as %q: %v", data, text, err)
		}
		again, err := Marshal(b)
		if err != nil || string(again) != string(text) {
			t.Fatalf("%q reads as %q, then as %q (%v)", data, text, again, err)
		}
	})
}
