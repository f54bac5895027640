package setup

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

func quoteIdent(name string) string { return pgx.Identifier{name}.Sanitize() }

// quoteLiteral is a string constant that reads the same whatever
// standard_conforming_strings says, like the server's quote_literal.
func quoteLiteral(s string) string {
	q := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		q = "E" + strings.ReplaceAll(q, `\`, `\\`)
	}
	return q
}

// oneLine keeps a name with a line break in it inside its SQL comment.
func oneLine(s string) string { return strings.NewReplacer("\n", " ", "\r", " ").Replace(s) }
