package route

import (
	"errors"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/publish"
)

// BillingRule names the columns of an organization that are about what it pays,
// and who may see them.
type BillingRule struct {
	Columns []ColumnRule `yaml:"columns"`
	// Roles are the membership roles that may see them; none means all.
	Roles []string `yaml:"roles"`
}

// Archived is one way to tell that a row is archived by an update: a column that
// becomes a value, or one that leaves null.
type Archived struct {
	Column string
	// Value is what the column becomes; empty if anything but null will do.
	Value string
}

// UnmarshalYAML reads "column" or {column: value}.
func (a *Archived) UnmarshalYAML(unmarshal func(any) error) error {
	if err := unmarshal(&a.Column); err == nil {
		return nil
	}
	var m map[string]string
	if err := unmarshal(&m); err != nil || len(m) != 1 {
		return errors.New("what archives a row is a column that leaves null, or {column: the value that it becomes}")
	}
	for a.Column, a.Value = range m {
	}
	if a.Value == "" {
		return errors.New("what archives a row is {column: value}, and the value is missing")
	}
	return nil
}

// ActivityRule names the columns of a table whose new rows are user.activity.
type ActivityRule struct {
	User   string `yaml:"user"`
	Action string `yaml:"action"`
	// ResourceType and ResourceID make the resource "<type>:<id>".
	ResourceType string `yaml:"resourceType"`
	ResourceID   string `yaml:"resourceId"`
	// Metadata picks what may leave of a json or jsonb column.
	Metadata MetadataRule `yaml:"metadata"`
}

// MetadataRule lets some members of a JSON object leave.
type MetadataRule struct {
	Column string `yaml:"column"`
	// Paths are the members, one by one; "a.b" is the b of a.
	Paths []string `yaml:"paths"`
}

// NotifyRule tells a user that a row was newly assigned to him.
type NotifyRule struct {
	// User is the column of whom the row is assigned to.
	User string `yaml:"user"`
	// Title is the column whose value is the notification's title.
	Title string `yaml:"title"`
	// Category is the notification's category.
	Category string `yaml:"category"`
}

// PublishRule says what may be published.
type PublishRule struct {
	SQL PublishSQLRule `yaml:"sql"`
}

// PublishSQLRule says what any database role may publish by a logical message.
type PublishSQLRule struct {
	// Types are the event types; [publish.DefaultSQLTypes] if absent, nothing if
	// empty.
	Types *[]string `yaml:"types"`
}

// types are the rule's, which have been checked.
func (r *PublishSQLRule) types() []orgcast.EventType {
	if r.Types == nil {
		return publish.DefaultSQLTypes()
	}
	types := make([]orgcast.EventType, 0, len(*r.Types))
	for _, name := range *r.Types {
		if t, ok := orgcast.ParseEventType(name); ok {
			types = append(types, t)
		}
	}
	return types
}
