package route

import (
	"encoding/json"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/oikion/orgcast"
)

// prismaVector is one of testdata/prisma/vectors.json, which generate.mjs beside
// it makes with the real Prisma Client.
type prismaVector struct {
	// Type is PostgreSQL's, Prisma the field's in the schema, Literal what was
	// inserted; nil: null.
	Type    string  `json:"type"`
	Prisma  string  `json:"prisma"`
	Literal *string `json:"literal"`
	OID     uint32  `json:"oid"`
	Element uint32  `json:"element"` // of an array of a type that is not built in
	// Text is what the WAL says; nil: null.
	Text *string `json:"text"`
	// JSON is what JSON.stringify makes of what Prisma Client read. If that threw,
	// as it does for a bigint, Throws says how, and JSON has String(…) in its place.
	JSON   string `json:"json"`
	Throws string `json:"throws"`
	// Error is why Prisma Client did not read the value at all.
	Error string `json:"error"`
}

func (v prismaVector) literal() string {
	if v.Literal == nil {
		return "NULL"
	}
	return *v.Literal
}

// encoded is the value on the wire.
func (v prismaVector) encoded() string {
	types := Types{}
	if v.Element != 0 {
		types[v.OID] = Type{Element: v.Element}
	}
	column := boundColumn{encode: types.encoderOf(v.OID), null: types.nullOf(v.OID)}
	value := orgcast.Value{Kind: orgcast.Null}
	if v.Text != nil {
		value = orgcast.Value{Kind: orgcast.Text, Text: []byte(*v.Text)}
	}
	return string(column.appendValue(nil, &value))
}

// asPrisma tells whether a browser reads ours as what it would read of Prisma's:
// the digits of a number may be written otherwise, and blanks may stand elsewhere.
func (v prismaVector) asPrisma(t *testing.T, ours string) bool {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(ours), &a); err != nil {
		return false // no number that a double holds
	}
	if err := json.Unmarshal([]byte(v.JSON), &b); err != nil {
		t.Fatalf("the vector is no JSON: %v", err)
	}
	x, isNumber := a.(float64)
	y, _ := b.(float64)
	return reflect.DeepEqual(a, b) && (!isNumber || math.Signbit(x) == math.Signbit(y))
}

type prismaException struct {
	name string
	is   func(v prismaVector) bool
	ours map[string]string // what is sent, by what was inserted
}

// prismaExceptions are the values that are not what Prisma Client shows, on
// purpose: docs/RULES.md has each, with its reason.
var prismaExceptions = []prismaException{
	{"numeric NaN", func(v prismaVector) bool { return strings.HasPrefix(v.Prisma, "Decimal") && v.Error == "" }, map[string]string{
		"NaN": `null`, "Infinity": `null`, "-Infinity": `null`, "{NaN}": `[null]`,
	}},
	{"bytea", func(v prismaVector) bool { return strings.HasPrefix(v.Prisma, "Bytes") && v.Error == "" }, map[string]string{
		`\x`: `""`, `\x00ff10`: `"AP8Q"`, `\x3c22`: `"PCI="`, `{"\\x00ff","\\x"}`: `["AP8=",""]`,
	}},
	{"mapped enum", func(v prismaVector) bool { return strings.HasPrefix(v.Prisma, "Mood") && v.Error == "" }, map[string]string{
		`a "b", c`: `"a \"b\", c"`, "très bien": `"très bien"`, `{SAD,"a \"b\", c"}`: `["SAD","a \"b\", c"]`,
	}},
	{"timetz with seconds in its zone", func(v prismaVector) bool { return strings.HasPrefix(v.Type, "timetz") && v.Error == "" }, map[string]string{
		"12:00:00-04:56:02": `"1970-01-01T12:00:00.000Z"`,
	}},
	{"digits in json", func(v prismaVector) bool { return v.Type == "json" || v.Type == "jsonb" }, map[string]string{
		"-0": `-0`, "1E400": `1E400`,
	}},
	// What Prisma Client can't read, it throws at.
	{"null in a list", func(v prismaVector) bool {
		return v.Error != "" && strings.Contains(v.literal(), "NULL") && v.Text != nil
	}, map[string]string{
		"{NULL}": `[null]`, "{1,-2,NULL}": `[1,-2,null]`, "{t,f,NULL}": `[true,false,null]`,
		"{\"a,b\",\"c\\\"d\\\\\",\"\",\"NULL\",NULL,\"{x}\",\"two\nlines\"}": `["a,b","c\"d\\","","NULL",null,"{x}","two\nlines"]`,
	}},
	{"list of lists", func(v prismaVector) bool { return v.Error != "" }, map[string]string{
		"{{a,b},{c,d}}": `[["a","b"],["c","d"]]`, "{{1,2},{3,4}}": `[[1,2],[3,4]]`,
	}},
	{"citext and timetz in a list", func(v prismaVector) bool {
		return v.Error != "" && (v.Type == "citext[]" || strings.HasPrefix(v.Type, "timetz"))
	}, map[string]string{
		"NULL": `[]`, "{}": `[]`, "{A,b}": `["A","b"]`, "{12:04:05.25+02}": `["1970-01-01T12:04:05.250Z"]`,
	}},
}

func TestValuesAreWhatTheRealPrismaClientShows(t *testing.T) {
	raw, err := os.ReadFile("testdata/prisma/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Prisma, Adapter string
		Vectors         []prismaVector
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) < 490 {
		t.Fatalf("%d vectors, want 490 or more", len(file.Vectors))
	}
	met := make([]map[string]bool, len(prismaExceptions))
	for _, v := range file.Vectors {
		ours := v.encoded()
		if !json.Valid([]byte(ours)) || strings.ContainsAny(ours, "\r\n\x00<") {
			t.Errorf("%s %q: not fit for one line: %q", v.Type, v.literal(), ours)
		}
		same := v.Error == "" && v.asPrisma(t, ours)
		i := slices.IndexFunc(prismaExceptions, func(e prismaException) bool {
			_, named := e.ours[v.literal()]
			return named && e.is(v) && (v.Error != "" || !same)
		})
		switch {
		case i >= 0:
			if met[i] == nil {
				met[i] = map[string]bool{}
			}
			met[i][v.literal()] = true
			if want := prismaExceptions[i].ours[v.literal()]; ours != want {
				t.Errorf("%s %q, an exception (%s): %s, want %s", v.Type, v.literal(), prismaExceptions[i].name, ours, want)
			}
		case v.Error != "":
			t.Errorf("%s %q: %s, which Prisma Client can't read: %s", v.Type, v.literal(), ours, v.Error)
		case !same:
			t.Errorf("%s %q: %s, and Prisma Client shows %s", v.Type, v.literal(), ours, v.JSON)
		}
	}
	// An exception that nothing needs would hide what comes next.
	for i, e := range prismaExceptions {
		for literal := range e.ours {
			if !met[i][literal] {
				t.Errorf("the exception %q is made for %q, which differs in nothing", e.name, literal)
			}
		}
	}
}

// TestTheRulesTellWhereAValueIsNotPrismas: whoever writes a client reads there
// what is sent.
func TestTheRulesTellWhereAValueIsNotPrismas(t *testing.T) {
	text, err := os.ReadFile("../../docs/RULES.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range prismaExceptions {
		if !strings.Contains(string(text), "\n| "+e.name+" |") {
			t.Errorf("docs/RULES.md has no line of %q", e.name)
		}
	}
}
