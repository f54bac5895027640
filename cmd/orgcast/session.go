package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
	"github.com/oikion/orgcast/internal/session"
)

// sessionCmd reads and makes session cookies by hand, with the configuration of
// the server.
type sessionCmd struct {
	Check sessionCheckCmd `cmd:"" help:"Read a Cookie header from standard input and tell whose session it is. Exit status 1 if it is none."`
	Mint  sessionMintCmd  `cmd:"" help:"Print a Cookie header with a session for a user, as the application would set it. For tests, demos and curl."`
}

// maxCookieInput is more than the reader of sessions takes, so that what is cut
// here is refused there, with its reason.
const maxCookieInput = 256 << 10

type sessionCheckCmd struct {
	At time.Time `placeholder:"TIME" help:"Check as of this time (RFC 3339) instead of now."`
}

// sessionVerdict is what session check prints: one line of JSON.
type sessionVerdict struct {
	Valid     bool           `json:"valid"`
	Scheme    string         `json:"scheme,omitempty"`
	UserID    orgcast.UserID `json:"userId,omitempty"`
	ExpiresAt string         `json:"expiresAt,omitempty"`
	Reason    session.Reason `json:"reason,omitempty"`
}

// Run prints the verdict. No session is exit status 1, and no error message.
func (c *sessionCheckCmd) Run(env *environment) error {
	a, err := authenticator(env)
	if err != nil {
		return err
	}
	input, err := io.ReadAll(io.LimitReader(env.stdin, maxCookieInput))
	if err != nil {
		return orgcast.WithHint("read standard input", err, "pipe the Cookie header into the command")
	}
	principal, err := a.Authenticate(cookieLines(string(input)), orNow(c.At))
	if refusal, ok := errors.AsType[*session.Refusal](err); ok {
		if err := printVerdict(env.stdout, sessionVerdict{Reason: refusal.Reason}); err != nil {
			return err
		}
		return exitStatus(1)
	}
	if err != nil {
		return err
	}
	return printVerdict(env.stdout, sessionVerdict{
		Valid:     true,
		Scheme:    principal.Scheme,
		UserID:    principal.User,
		ExpiresAt: principal.ExpiresAt.UTC().Format(time.RFC3339),
	})
}

type sessionMintCmd struct {
	User      string        `required:"" placeholder:"ID" help:"The user's id."`
	ExpiresIn time.Duration `default:"1h" placeholder:"DURATION" help:"Lifetime from the time of issue (default 1h)."`
	Scheme    string        `enum:",authjs,nextauth" default:"" placeholder:"SCHEME" help:"authjs or nextauth; the first that the server reads if not given."`
	At        time.Time     `placeholder:"TIME" help:"Issue at this time (RFC 3339) instead of now."`
}

// Run prints the value of a Cookie header: curl -b "$(orgcast session mint …)".
func (c *sessionMintCmd) Run(env *environment) error {
	a, err := authenticator(env)
	if err != nil {
		return err
	}
	cookies, err := a.Mint(session.Grant{
		User:     orgcast.UserID(c.User),
		Scheme:   session.Scheme(c.Scheme),
		IssuedAt: orNow(c.At),
		Lifetime: c.ExpiresIn,
	})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(env.stdout, cookies); err != nil {
		return fmt.Errorf("print session: %w", err)
	}
	return nil
}

func authenticator(env *environment) (*session.Authenticator, error) {
	config, err := session.FromEnv(env.getenv)
	if err != nil {
		return nil, err
	}
	return session.New(config)
}

// cookieLines takes the header with or without its name in front, in one line
// or in several.
func cookieLines(input string) []string {
	var lines []string
	for line := range strings.Lines(input) {
		line = strings.TrimRight(line, "\r\n")
		const name = "cookie:"
		if len(line) >= len(name) && strings.EqualFold(line[:len(name)], name) {
			line = line[len(name):]
		}
		lines = append(lines, line)
	}
	return lines
}

func printVerdict(w io.Writer, v sessionVerdict) error {
	if err := codec.Line(w, v); err != nil {
		return fmt.Errorf("print verdict: %w", err)
	}
	return nil
}

func orNow(at time.Time) time.Time {
	if at.IsZero() {
		return time.Now()
	}
	return at
}
