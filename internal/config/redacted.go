package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"
)

// Format prints what is set, without secrets, whatever the verb.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.Redacted()) } // a fmt.State keeps its own error

// Redacted lists every variable as it is in force, a line each; of a secret it
// says only whether it is set.
func (c Config) Redacted() string {
	var b strings.Builder
	v := reflect.ValueOf(c)
	for _, field := range Fields() {
		value := fmt.Sprint(v.FieldByName(field.Field).Interface())
		switch {
		case field.Name == "ORGCAST_DATABASE_URL":
			value = fmt.Sprint(c.Database)
		case field.Name == "ORGCAST_SETUP_DATABASE_URL":
			value = fmt.Sprint(c.SetupDatabase)
		case field.Secret && value != "":
			value = "(set)"
		case value == "":
			value = "(not set)"
		}
		fmt.Fprintf(&b, "%s=%s\n", field.Name, value)
	}
	return b.String()
}
