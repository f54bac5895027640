package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Bytes is a size: a number, with KiB, MiB or GiB.
type Bytes int64

// UnmarshalText reads "4GiB".
func (b *Bytes) UnmarshalText(text []byte) error {
	s, unit := strings.TrimSpace(string(text)), int64(1)
	for suffix, n := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40} {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			s, unit = strings.TrimSpace(rest), n
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > 1<<62/unit {
		return fmt.Errorf("no size")
	}
	*b = Bytes(n * unit)
	return nil
}

// Field is one variable, for the reference.
type Field struct {
	Name, Field, Default, Form, Doc string
	Secret                          bool
}

// Fields lists the variables, in the order of [Config].
func Fields() (fields []Field) {
	for f := range reflect.TypeFor[Config]().Fields() {
		name := f.Tag.Get("env")
		if name == "-" {
			continue
		}
		form := "text"
		switch f.Type {
		case reflect.TypeFor[time.Duration]():
			form = "duration such as 15s"
		case reflect.TypeFor[int]():
			form = "number"
		case reflect.TypeFor[Bytes]():
			form = "size such as 4GiB"
		}
		fields = append(fields, Field{name, f.Name, f.Tag.Get("default"), form, f.Tag.Get("doc"), f.Tag.Get("secret") != ""})
	}
	return fields
}

// Markdown is docs/CONFIG.md.
func Markdown() []byte {
	var b strings.Builder
	b.WriteString("# Configuration\n\n" +
		"Everything is set by environment variables. This page is made from the code: `go test ./internal/config -update`.\n\n" +
		"| variable | form | default | what it is |\n|---|---|---|---|\n")
	for _, f := range Fields() {
		def := ""
		if f.Default != "" {
			def = "`" + f.Default + "`"
		}
		doc := f.Doc
		if f.Secret {
			doc += " Secret."
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, f.Form, def, doc)
	}
	b.WriteString(`
A variable that begins with ` + "`ORGCAST_`" + ` and is not known stops the start, with the name that was probably meant.

## Sessions

| variable | default | what it is |
|---|---|---|
| ` + "`ORGCAST_SESSION`" + ` | ` + "`auto`" + ` | ` + "`auto` (either JWT strategy, by the cookie's name), `authjs` (Auth.js v5, JWT), `nextauth` (NextAuth v4, JWT) or `authjs-database` (the database strategy of both)" + ` |
| ` + "`ORGCAST_SESSION_COOKIE`" + ` | by scheme | the cookie's whole name |
| ` + "`AUTH_SECRET`, `NEXTAUTH_SECRET`" + ` | | the application's secret; the first that is set. Not needed with ` + "`authjs-database`" + ` |
| ` + "`ORGCAST_AUTH_SECRETS`" + ` | | several secrets, newest first, one a line |
| ` + "`ORGCAST_AUTH_SECRETS_FILE`" + ` | | the same, in a file |
| ` + "`ORGCAST_SESSION_SALT`" + ` | the cookie's name | only for an application that changed it |
| ` + "`ORGCAST_SESSION_USER_CLAIM`" + ` | ` + "`sub`" + ` | only for an application that changed it |
| ` + "`AUTH_URL`, `NEXTAUTH_URL`" + ` | | its scheme picks the ` + "`__Secure-`" + ` cookie names |

With ` + "`authjs-database`" + ` the rule file names the table, as the preset does:

    sessions: {table: sessions, token: sessionToken, user: userId, expires: expires}

| adapter | table | token, user, expires |
|---|---|---|
| Prisma | ` + "`Session`" + `, or what ` + "`@@map`" + ` says | ` + "`sessionToken`, `userId`, `expires`, or what `@map`" + ` says |
| Drizzle | ` + "`session`" + ` | the same |
| pg, TypeORM | ` + "`sessions`" + ` | the same |
| Supabase | ` + "`next_auth.sessions`" + ` | the same |
| Kysely | ` + "`Session`" + ` | the same |

` + "`auto`" + ` never reads it: a table of credentials is read only by who was told to. Run ` + "`orgcast setup`" + ` with the same ` + "`ORGCAST_SESSION`" + ` as ` + "`orgcast serve`" + `: it publishes the table, and lets the role read it, for ` + "`authjs-database`" + ` alone.
`)
	return []byte(b.String())
}
