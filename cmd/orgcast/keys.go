package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
	"github.com/oikion/orgcast/internal/config"
	"github.com/oikion/orgcast/internal/publish"
)

// keysCmd makes, shows and takes away the API keys that publish over HTTP. A
// running server sees it within a second.
type keysCmd struct {
	New    keysNewCmd    `cmd:"" help:"Make an API key and print it: the only time that it is shown."`
	List   keysListCmd   `cmd:"" help:"List the keys, without what they are."`
	Revoke keysRevokeCmd `cmd:"" help:"Take a key away, by its id."`
}

type keysNewCmd struct {
	Name             string   `arg:"" help:"What the key is for: for keys list and you."`
	Type             []string `placeholder:"TYPE" help:"A type that it may publish; may be repeated. Without any: notification.new."`
	Organization     []string `placeholder:"ID" help:"An organization that it may publish to; may be repeated."`
	AllOrganizations bool     `help:"It may publish to each organization."`
	Broadcast        bool     `help:"It may publish a system.alert to everyone at once: organization \"*\"."`
}

// Run prints the key alone on standard output, and all else on standard error.
func (c *keysNewCmd) Run(env *environment) error {
	scope := publish.Scope{AllOrganizations: c.AllOrganizations, Broadcast: c.Broadcast}
	if len(c.Type) == 0 {
		c.Type = []string{orgcast.NotificationNew.String()}
	}
	for _, name := range c.Type {
		t, ok := orgcast.ParseEventType(name)
		if !ok {
			return orgcast.WithHint("make API key", fmt.Errorf("no such type"), "the types are "+orgcast.EventTypeNames())
		}
		scope.Types = append(scope.Types, t)
	}
	for _, id := range c.Organization {
		scope.Organizations = append(scope.Organizations, orgcast.OrganizationID(id))
	}
	path := keysFile(env)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return orgcast.WithHint("make API key", err, "set ORGCAST_API_KEYS_FILE, or ORGCAST_DATA_DIR, to where this user may write")
	}
	bearer, k, err := publish.NewStore(path).New(c.Name, scope)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(env.stdout, bearer); err != nil {
		return fmt.Errorf("print API key: %w", err)
	}
	fmt.Fprintf(env.stderr, "Key %s is in %s. It is not shown again.\n", k.ID, path)
	return nil
}

type keysListCmd struct {
	JSON bool `name:"json" help:"Print one line of JSON for each key, for scripts."`
}

// listedKey is a key as keys list --json prints it.
type listedKey struct {
	ID               string                   `json:"id"`
	Name             string                   `json:"name"`
	Created          string                   `json:"created"`
	Types            []string                 `json:"types"`
	Organizations    []orgcast.OrganizationID `json:"organizations"`
	AllOrganizations bool                     `json:"allOrganizations"`
	Broadcast        bool                     `json:"broadcast"`
}

// Run lists the keys, oldest first.
func (c *keysListCmd) Run(env *environment) error {
	store := publish.NewStore(keysFile(env))
	keys := store.List()
	if err := store.Health(); err != nil {
		return err
	}
	for _, k := range keys {
		if err := c.print(env.stdout, k); err != nil {
			return fmt.Errorf("print API keys: %w", err)
		}
	}
	return nil
}

func (c *keysListCmd) print(w io.Writer, k *publish.Key) error {
	l := listedKey{
		ID: k.ID, Name: k.Name, Created: k.Created.Format(time.RFC3339), Organizations: append([]orgcast.OrganizationID{}, k.Scope.Organizations...),
		AllOrganizations: k.Scope.AllOrganizations, Broadcast: k.Scope.Broadcast,
	}
	for _, t := range k.Scope.Types {
		l.Types = append(l.Types, t.String())
	}
	if c.JSON {
		return codec.Line(w, l)
	}
	var to []string
	for _, id := range l.Organizations {
		to = append(to, string(id))
	}
	if l.AllOrganizations {
		to = append(to, "each organization")
	}
	if l.Broadcast {
		to = append(to, "everyone at once")
	}
	_, err := fmt.Fprintf(w, "%s  %s  %s: %s to %s\n", l.ID, l.Created, l.Name, strings.Join(l.Types, ", "), strings.Join(to, ", "))
	return err
}

type keysRevokeCmd struct {
	ID string `arg:"" help:"The key's id, as keys list shows it; not the key itself."`
}

// Run takes the key away.
func (c *keysRevokeCmd) Run(env *environment) error {
	if err := publish.NewStore(keysFile(env)).Revoke(c.ID); err != nil {
		return orgcast.WithHint("revoke", err, "`orgcast keys list` shows the ids; a key itself is no id, and one that was written on a command line is to be revoked, too")
	}
	fmt.Fprintln(env.stderr, "Revoked: no server takes it any more in a second.")
	return nil
}

func keysFile(env *environment) string { return config.APIKeysFile(config.Environ(env.environ)) }
