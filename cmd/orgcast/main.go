// Command orgcast streams the changes of a multi-tenant PostgreSQL database to
// the browsers that may see them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/oikion/orgcast"
)

// version is set by the build.
var version = "dev"

// environment is the world as a command sees it.
type environment struct {
	ctx            context.Context
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	environ        []string
}

// exitStatus ends the program without a word: it has been said.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

type commands struct {
	Setup   setupCmd   `cmd:"" help:"Prepare the database: publication, replica identities, role."`
	Serve   serveCmd   `cmd:"" help:"Stream changes to browsers."`
	Doctor  doctorCmd  `cmd:"" help:"Tell what is wrong with this installation, and the cure; change nothing."`
	Rules   rulesCmd   `cmd:"" help:"Tell what the rules send, and whether the database fits them."`
	Tail    tailCmd    `cmd:"" help:"Follow an organization's events, as the running process hands them out."`
	Explain explainCmd `cmd:"" help:"Tell why an event does or does not reach a user; without an event, what was withheld."`
	Log     logCmd     `cmd:"" help:"Delete an organization's events from the event log."`
	Session sessionCmd `cmd:"" help:"Check or make session cookies."`
	Keys    keysCmd    `cmd:"" help:"Make, list and revoke the API keys that publish over HTTP."`
	Demo    demoCmd    `cmd:"" help:"A throwaway PostgreSQL, orgcast on it, and an application with a page, on this machine only."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	env := &environment{ctx: ctx, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, environ: os.Environ()}
	os.Exit(run(env, os.Args[1:]))
}

// run is the program: its arguments in, its exit status out.
func run(env *environment, args []string) int {
	var cli commands
	status := -1
	parser, err := kong.New(&cli,
		kong.Name("orgcast"),
		kong.Description("The realtime layer for multi-tenant applications on PostgreSQL.\nEverything else is set by environment variables: see docs/CONFIG.md."),
		kong.Writers(env.stdout, env.stderr), kong.UsageOnError(),
		kong.Exit(func(code int) { status = code }),
	)
	if err != nil {
		return complain(env, err)
	}
	command, err := parser.Parse(args)
	if status >= 0 {
		return status // --help
	}
	if err != nil {
		parser.FatalIfErrorf(err)
		return max(status, 2)
	}
	err = command.Run(env)
	var exit exitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return int(exit)
	}
	return complain(env, err)
}

// complain tells an operator what went wrong, each thing with its next step.
func complain(env *environment, err error) int {
	for _, e := range flatten(err) {
		fmt.Fprintf(env.stderr, "orgcast: %s\n", e)
		if hint := orgcast.Hint(e); hint != "" {
			fmt.Fprintf(env.stderr, "  → %s\n", strings.ToUpper(hint[:1])+hint[1:])
		}
	}
	return 1
}

// flatten takes joined errors apart.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var list []error
	for _, e := range joined.Unwrap() {
		list = append(list, flatten(e)...)
	}
	return list
}

type versionCmd struct{}

func (versionCmd) Run(env *environment) error {
	fmt.Fprintln(env.stdout, "orgcast", version)
	return nil
}
