package route

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/oikion/orgcast/internal/sse"
)

func TestValuesAreWhatPrismaShows(t *testing.T) {
	const (
		oidTextArray, oidInt4Array, oidInt8Array, oidNumericArray, oidJSONBArray, oidBoolArray, oidTimestampArray, oidByteaArray = 1009, 1007, 1016, 1231, 3807, 1000, 1115, 1001
		enum, enumArray, domain, domainOfDomain                                                                                  = 20001, 20002, 20003, 20004
	)
	types := Types{enumArray: {Element: enum}, domain: {Base: oidNumeric}, domainOfDomain: {Base: domain}}
	for _, test := range []struct {
		name       string
		oid        uint32
		text, want string
	}{
		{"true", oidBool, "t", `true`},
		{"false", oidBool, "f", `false`},
		{"an integer", oidInt4, "-42", `-42`},
		{"zero", oidInt2, "0", `0`},
		{"a bigint is a string", oidInt8, "9223372036854775807", `"9223372036854775807"`},
		{"a float", oidFloat8, "0.1", `0.1`},
		{"a large float", oidFloat8, "1e+20", `1e+20`},
		{"a small float", oidFloat4, "-1.5e-07", `-1.5e-07`},
		{"minus nothing", oidFloat8, "-0", `0`},
		{"NaN", oidFloat8, "NaN", `null`},
		{"infinity", oidFloat8, "-Infinity", `null`},
		{"no number", oidInt4, "1-2", `null`},
		{"no JSON number", oidInt4, "007", `null`},
		{"half a number", oidFloat8, "1e", `null`},
		{"a numeric loses zeros", oidNumeric, "10.50", `"10.5"`},
		{"a whole numeric", oidNumeric, "100.00", `"100"`},
		{"zero numeric", oidNumeric, "0.00", `"0"`},
		{"negative", oidNumeric, "-0.10", `"-0.1"`},
		{"numeric NaN", oidNumeric, "NaN", `null`},
		{"numeric infinity", oidNumeric, "-Infinity", `null`},
		{"below 1e21", oidNumeric, "999999999999999999999", `"999999999999999999999"`},
		{"from 1e21", oidNumeric, "1000000000000000000000", `"1e+21"`},
		{"digits from 1e21", oidNumeric, "-1234500000000000000000.250", `"-1.23450000000000000000025e+21"`},
		{"1e-6", oidNumeric, "0.000001", `"0.000001"`},
		{"1e-7", oidNumeric, "0.0000001", `"1e-7"`},
		{"digits below 1e-7", oidNumeric, "-0.000000012340", `"-1.234e-8"`},
		{"no numeric", oidNumeric, "1.2.3", `null`},
		{"money", oidMoney, "-$1,234.50", `"-1234.5"`},
		{"money of another locale", oidMoney, "1.234,50 €", `"1.234,50 €"`},
		{"no money", oidMoney, "$1.2.3", `"$1.2.3"`},
		{"a domain", domainOfDomain, "7.0", `"7"`},
		{"text", oidText, "a\"b\\c\n\u2028<\x00", `"a\"b\\c\n\u2028\u003c\u0000"`},
		{"no UTF-8", oidText, "a\xff", `"a` + "\ufffd" + `"`},
		{"an enum", enum, "FOR_SALE", `"FOR_SALE"`},
		{"a uuid", 2950, "6b0a1c3e-0000-4000-8000-000000000000", `"6b0a1c3e-0000-4000-8000-000000000000"`},
		{"json keeps its author's lines", oidJSON, "{\"a\":\n  [1, \"b c\"]}", `{"a":[1,"b c"]}`},
		{"jsonb", oidJSONB, `{"a": null, "b": "<\"\\"}`, `{"a":null,"b":"\u003c\"\\"}`},
		{"a timestamp", oidTimestamp, "2026-01-02 12:04:05", `"2026-01-02T12:04:05.000Z"`},
		{"a tenth", oidTimestamp, "2026-01-02 12:04:05.5", `"2026-01-02T12:04:05.500Z"`},
		{"microseconds are cut", oidTimestamp, "2026-01-02 12:04:05.999999", `"2026-01-02T12:04:05.999Z"`},
		{"with time zone", oidTimestamptz, "2026-01-02 12:04:05.123+00", `"2026-01-02T12:04:05.123Z"`},
		{"of another zone", oidTimestamptz, "2026-01-02 12:04:05.123+05:30", `null`},
		{"the first year", oidTimestamp, "0001-01-01 00:00:00", `"0001-01-01T00:00:00.000Z"`},
		{"before Christ", oidTimestamp, "0044-03-15 00:00:00 BC", `null`},
		{"infinite", oidTimestamp, "infinity", `null`},
		{"after 9999", oidTimestamp, "10000-01-01 00:00:00", `null`},
		{"no time", oidTimestamp, `2026-01-02 12:04:0"`, `null`},
		{"a date", oidDate, "2026-01-02", `"2026-01-02T00:00:00.000Z"`},
		{"a date before Christ", oidDate, "0044-03-15 BC", `null`},
		{"a time", oidTime, "12:04:05.25", `"1970-01-01T12:04:05.250Z"`},
		{"the day's end", oidTime, "24:00:00", `"1970-01-02T00:00:00.000Z"`},
		{"a time with zone", oidTimetz, "12:04:05.25+02", `"1970-01-01T12:04:05.250Z"`},
		{"bytes", oidBytea, `\x00ff10`, `"AP8Q"`},
		{"no bytes", oidBytea, `\x`, `""`},
		{"not hexadecimal", oidBytea, `\xzz`, `"\\xzz"`},
		{"an array", oidTextArray, `{a,b}`, `["a","b"]`},
		{"an empty array", oidTextArray, `{}`, `[]`},
		{"quoted elements", oidTextArray, `{"a,b","c\"d\\","","NULL",NULL,"{x}"}`, `["a,b","c\"d\\","","NULL",null,"{x}"]`},
		{"nested", oidInt4Array, `{{1,2},{3,NULL}}`, `[[1,2],[3,null]]`},
		{"with dimensions", oidInt4Array, `[0:1]={7,8}`, `[7,8]`},
		{"with dimensions, nested", oidInt4Array, `[1:1][-2:-1]={{7,8}}`, `[[7,8]]`},
		{"of numerics", oidNumericArray, `{1.50,NaN}`, `["1.5",null]`},
		{"of bigints", oidInt8Array, `{1}`, `["1"]`},
		{"of booleans", oidBoolArray, `{t,f}`, `[true,false]`},
		{"of jsonb", oidJSONBArray, `{"{\"a\": [1, 2]}",NULL}`, `[{"a": [1, 2]},null]`},
		{"of timestamps", oidTimestampArray, `{"2026-01-02 12:04:05"}`, `["2026-01-02T12:04:05.000Z"]`},
		{"of bytes", oidByteaArray, `{"\\x00ff"}`, `["AP8="]`},
		{"of enums", enumArray, `{A,B}`, `["A","B"]`},
		{"of bits", 1561, `{0101,NULL}`, `["0101",null]`},
		{"of boxes, whose elements no comma parts", 1020, `{(1,1),(0,0);(2,2),(0,0)}`, `"{(1,1),(0,0);(2,2),(0,0)}"`},
		{"no array", oidTextArray, `{a`, `"{a"`},
		{"an array and more", oidTextArray, `{a}b`, `"{a}b"`},
		{"an element too few", oidTextArray, `{a,}`, `"{a,}"`},
		{"deeper than PostgreSQL's", oidTextArray, `{{{{{{{a}}}}}}}`, `"{{{{{{{a}}}}}}}"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := string(types.encoderOf(test.oid)([]byte("x"), []byte(test.text)))
			if got != "x"+test.want {
				t.Errorf("%s: got %s, want %s", test.text, got[1:], test.want)
			}
		})
	}
}

func TestANullListIsEmpty(t *testing.T) {
	types := Types{20002: {Element: 20001}, 20003: {Base: 1009}}
	for oid, want := range map[uint32]string{1009: "[]", 20002: "[]", 20003: "[]", oidText: "null", oidJSONB: "null", 20001: "null"} {
		if got := types.nullOf(oid); got != want {
			t.Errorf("a null of type %d is %s, want %s", oid, got, want)
		}
	}
}

func TestTypesThatLeadInACircleAreText(t *testing.T) {
	types := Types{20001: {Base: 20002}, 20002: {Base: 20001}, 20003: {Element: 20003}}
	for oid := range types {
		if got := string(types.encoderOf(oid)(nil, []byte("x"))); got != `"x"` {
			t.Errorf("%d: %s", oid, got)
		}
	}
}

func oneLine(t *testing.T, json_ []byte) {
	t.Helper()
	if !json.Valid(json_) {
		t.Fatalf("no JSON: %q", json_)
	}
	if strings.ContainsAny(string(json_), "\r\n\x00\u2028\u2029<") {
		t.Fatalf("not fit for one line: %q", json_)
	}
}

// FuzzValue: whatever a value's text is, one line of valid JSON comes of it. Of
// json and jsonb only what PostgreSQL lets in is tried.
func FuzzValue(f *testing.F) {
	for _, s := range []string{"", "t", "-1", "1.50", "NaN", "1e5", "2026-01-02 12:04:05.5+00", "12:00:00", `\x00`, `{a,"b\"",{c}}`, `[0:1]={1,2}`, "{\"a\":\n1}", "a\x00\xff\u2028<"} {
		f.Add(uint32(oidText), []byte(s))
		f.Add(uint32(oidNumeric), []byte(s))
		f.Add(uint32(oidTimestamptz), []byte(s))
		f.Add(uint32(1231), []byte(s))
		f.Add(uint32(oidJSON), []byte(s))
	}
	types := Types{}
	f.Fuzz(func(t *testing.T, oid uint32, text []byte) {
		oids := []uint32{oid}
		for known := range scalars {
			oids = append(oids, known)
		}
		for known, element := range arrays {
			if element != oidJSON && element != oidJSONB { // its elements are JSON, which is not tried here
				oids = append(oids, known)
			}
		}
		for _, oid := range oids {
			if (oid == oidJSON || oid == oidJSONB || oid == 199 || oid == 3807) && !json.Valid(text) {
				continue
			}
			got := types.encoderOf(oid)([]byte{}, text)
			oneLine(t, got)
		}
	})
}

// FuzzArray: an array that is written as PostgreSQL writes it is read as what it
// was written from.
func FuzzArray(f *testing.F) {
	f.Add("a", "b c", `"\{}`, true)
	f.Add("", "NULL", ",", false)
	f.Fuzz(func(t *testing.T, a, b, c string, null bool) {
		quote := func(s string) string {
			return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
		}
		text := "{{" + quote(a) + "," + quote(b) + "},{" + quote(c) + ","
		want := string(sse.AppendText([]byte("[["), []byte(a)))
		want = string(sse.AppendText([]byte(want+","), []byte(b)))
		want = string(sse.AppendText([]byte(want+"],["), []byte(c)))
		if null {
			text, want = text+"NULL}}", want+",null]]"
		} else {
			text, want = text+quote("x")+"}}", want+`,"x"]]`
		}
		got := arrayOf(sse.AppendText)(nil, []byte(text))
		if string(got) != want {
			t.Fatalf("%s: got %s, want %s", text, got, want)
		}
		oneLine(t, got)
	})
}
