package truth

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/oikion/orgcast/internal/verify"
)

// object is a JSON object that is being made. String is it, canonical, if its
// values are.
type object []member

type member struct{ name, value string }

func (o *object) add(name, value string) { *o = append(*o, member{name, value}) }

func (o object) String() string {
	slices.SortFunc(o, func(a, b member) int { return strings.Compare(a.name, b.name) })
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(m.name))
		b.WriteByte(':')
		b.WriteString(m.value)
	}
	b.WriteByte('}')
	return b.String()
}

// quote is a text as a canonical JSON string.
func quote(s string) string { return verify.Quote(s) }

// list is an array of texts.
func list(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = quote(t)
	}
	return "[" + strings.Join(quoted, ",") + "]"
}

// membersOf are the members of a JSON object, each canonical. One that comes twice,
// at any depth, is an error: what it says would be anybody's choice.
func membersOf(text string) (map[string]string, error) {
	if err := distinct(json.NewDecoder(strings.NewReader(text))); err != nil {
		return nil, err
	}
	canonical, err := verify.Canonical(text)
	if err != nil {
		return nil, err
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(canonical), &raw); err != nil || raw == nil {
		return nil, errors.New("no object")
	}
	all := make(map[string]string, len(raw))
	for name, value := range raw {
		all[name] = string(value)
	}
	return all, nil
}

// distinct reads one value, and says whether a member of it comes twice.
func distinct(d *json.Decoder) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	open, composite := t.(json.Delim)
	if !composite {
		return nil
	}
	names := map[string]bool{}
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return err
			}
			s := name.(string)
			if names[s] {
				return fmt.Errorf("member %.80q comes twice", s)
			}
			names[s] = true
		}
		if err := distinct(d); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// unquote is the text that a JSON value is.
func unquote(value string) (text string, err error) {
	if !strings.HasPrefix(value, `"`) {
		return "", errors.New("no text")
	}
	err = json.Unmarshal([]byte(value), &text)
	return text, err
}

// texts reads an array of texts.
func texts(value string) (all []string, err error) {
	var raw []json.RawMessage
	if err := json.Unmarshal([]byte(value), &raw); err != nil {
		return nil, err
	}
	for _, r := range raw {
		s, err := unquote(string(r))
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}
