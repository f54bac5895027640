package setup

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/oikion/orgcast/internal/pgtest"
)

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) })
	return conn
}

func FuzzParseRecord(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"orgcast":1}`, `{"orgcast":0}`, `{"orgcast":"1"}`, `{"orgcast":99,"tables":[{"schema":"a"}]}`,
		`{"orgcast":1,"role":{"select":[["a"],[]]}}`, "a comment", `{"orgcast":1,"made":true,"tables":null} `} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, comment string) {
		rec, ours := parseRecord(comment)
		if !ours {
			return
		}
		again, ours := parseRecord(rec.String())
		if !ours || again.String() != rec.String() {
			t.Errorf("%q becomes %q becomes %q", comment, rec, again)
		}
		rec.config(Config{})
	})
}

// A record with whatever names must come back from the server as it was.
func TestALiteralIsReadBackWhateverIsInIt(t *testing.T) {
	conn := pgtest.Database(t).Conn(t)
	for _, conforming := range []string{"on", "off"} {
		if _, err := conn.Exec(t.Context(), "SET standard_conforming_strings = "+conforming+"; SET escape_string_warning = off", pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
		rapid.Check(t, func(rt *rapid.T) {
			s := rapid.StringOf(rapid.RuneFrom([]rune(`'"\$;-eE`+"\n\tπ "))).Draw(rt, "s")
			results, err := conn.PgConn().Exec(t.Context(), "SELECT "+quoteLiteral(s)).ReadAll()
			if err != nil {
				rt.Fatal(err)
			}
			if got := string(results[0].Rows[0][0]); got != s {
				rt.Fatalf("%q reads back as %q", s, got)
			}
		})
	}
}
