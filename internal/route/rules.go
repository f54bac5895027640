package route

import (
	"embed"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/oikion/orgcast"
)

//go:embed preset/*.yaml
var presets embed.FS

// Rules is a rule file: the tables that are sent, as what, to whom.
type Rules struct {
	// Version is the version of the file's form: 1.
	Version int `yaml:"version"`
	// Schema is that of tables named without one; "public" if empty.
	Schema        string            `yaml:"schema"`
	Organizations OrganizationsRule `yaml:"organizations"`
	Membership    MembershipRule    `yaml:"membership"`
	// Sessions names the table of sessions; nil if there is none to be read.
	Sessions *SessionsRule        `yaml:"sessions"`
	Publish  PublishRule          `yaml:"publish"`
	Tables   map[string]TableRule `yaml:"tables"`
}

// OrganizationsRule names the table of tenants and its columns.
type OrganizationsRule struct {
	Table string `yaml:"table"`
	ID    string `yaml:"id"`
	Name  string `yaml:"name"`
	// Columns are those whose changes every member is told.
	Columns []ColumnRule `yaml:"columns"`
	Billing BillingRule  `yaml:"billing"`
	// RLS: see [TableRule].
	RLS string `yaml:"rls"`
}

// MembershipRule names the table that says who belongs to which organization.
type MembershipRule struct {
	Table        string `yaml:"table"`
	ID           string `yaml:"id"`
	User         string `yaml:"user"`
	Organization string `yaml:"organization"`
	Role         string `yaml:"role"`
	// RLS: see [TableRule].
	RLS string `yaml:"rls"`
}

// tenantOnly is the one value of an rls member.
const tenantOnly = "tenant_only"

// SessionsRule names the table in which the application keeps its sessions: the
// database strategy of Auth.js. It is read, to know whose a cookie is and until
// when; nothing of it is ever sent.
type SessionsRule struct {
	Table   string `yaml:"table"`
	Token   string `yaml:"token"`
	User    string `yaml:"user"`
	Expires string `yaml:"expires"`
}

// TableRule says what becomes of one table's rows.
type TableRule struct {
	// Event is "property.update", "data.sync" or "user.activity"; empty for a
	// table that only tells whose its children are.
	Event string `yaml:"event"`
	// Entity is the entityType of a data.sync.
	Entity string `yaml:"entity"`
	// ID is the primary key's column; "id" if empty.
	ID string `yaml:"id"`
	// Tenant lists the ways to the row's organization. All that are not null
	// must agree.
	Tenant []Path `yaml:"tenant"`
	// CreatedBy is the column of the user who made the row.
	CreatedBy string `yaml:"createdBy"`
	// Columns are the columns that may leave, in the order in which they do.
	Columns []ColumnRule `yaml:"columns"`
	// Roles are the membership roles that may see the rows; none means all.
	Roles []string `yaml:"roles"`
	// Part is the column that holds the key of the property that the rows are
	// parts of; empty if they are properties themselves.
	Part string `yaml:"part"`
	// Archive lists what makes an update an archive.
	Archive  []Archived    `yaml:"archive"`
	Activity *ActivityRule `yaml:"activity"`
	Notify   *NotifyRule   `yaml:"notify"`
	// RLS must be "tenant_only" on a table with row-level security, which the
	// WAL does not apply.
	RLS string `yaml:"rls"`
}

// Path is one way from a row to its organization: a column that holds it, or a
// column that holds the key of a row of another mapped table.
type Path struct {
	Column string
	// Table is the parent's; empty if the column holds the organization.
	Table string
}

// UnmarshalYAML reads "column" or {column: parent table}.
func (p *Path) UnmarshalYAML(unmarshal func(any) error) error {
	if err := unmarshal(&p.Column); err == nil {
		return nil
	}
	var m map[string]string
	if err := unmarshal(&m); err != nil || len(m) != 1 {
		return errors.New("a tenant path is a column, or one {column: parent table}")
	}
	for p.Column, p.Table = range m {
	}
	return nil
}

// ColumnRule lets one column leave.
type ColumnRule struct {
	Column string
	// As is its name on the wire; the column's own if empty.
	As string
	// Sensitive says that a name that looks like a secret is none.
	Sensitive bool
}

// UnmarshalYAML reads "column", {column: name} or
// {column: …, as: …, sensitive: …}.
func (c *ColumnRule) UnmarshalYAML(unmarshal func(any) error) error {
	if err := unmarshal(&c.Column); err == nil {
		return nil
	}
	var m map[string]any
	if err := unmarshal(&m); err != nil {
		return errors.New("a column is a name, {name: name on the wire}, or {column: …, as: …, sensitive: …}")
	}
	if _, long := m["column"]; !long && len(m) == 1 {
		for column, as := range m {
			name, ok := as.(string)
			if !ok {
				return fmt.Errorf("column %s: its name on the wire is no text", column)
			}
			c.Column, c.As = column, name
		}
		return nil
	}
	for k, v := range m {
		var ok bool
		switch k {
		case "column":
			c.Column, ok = v.(string)
		case "as":
			c.As, ok = v.(string)
		case "sensitive":
			c.Sensitive, ok = v.(bool)
		}
		if !ok {
			return fmt.Errorf("column: unknown or wrong member %q (known: column, as, sensitive)", k)
		}
	}
	return nil
}

// Preset reads a rule file that orgcast ships.
func Preset(name string) (*Rules, error) {
	source, err := PresetSource(name)
	if err != nil {
		return nil, err
	}
	return ParseRules(source)
}

func noPreset(name string) error {
	return orgcast.WithHint("read rules", fmt.Errorf("no preset %q", name), "The presets are: "+strings.Join(presetNames(), ", ")+".")
}

func presetNames() (names []string) {
	entries, _ := presets.ReadDir("preset") // an embedded folder can't fail
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// ParseRules reads and checks a rule file. An error names the line and the
// cure.
func ParseRules(source []byte) (*Rules, error) {
	if err := checkSource(source); err != nil {
		return nil, err
	}
	var r Rules
	if err := yaml.UnmarshalWithOptions(source, &r, yaml.Strict()); err != nil {
		return nil, malformed(err)
	}
	if r.Schema == "" {
		r.Schema = "public"
	}
	for name, t := range r.Tables {
		if t.ID == "" {
			t.ID = "id"
			r.Tables[name] = t
		}
	}
	if problems := r.check(); len(problems) > 0 {
		return nil, describe(source, problems)
	}
	return &r, nil
}
