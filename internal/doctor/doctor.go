package doctor

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast/internal/config"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/replication"
	"github.com/oikion/orgcast/internal/route"
	"github.com/oikion/orgcast/internal/session"
	"github.com/oikion/orgcast/internal/setup"
)

// Options say what to look at.
type Options struct {
	// Environ is the environment of serve.
	Environ map[string]string
	// LoadRules reads what ORGCAST_RULES names, as serve does with the scheme of
	// ORGCAST_SESSION.
	LoadRules func(name string, scheme session.Scheme) (*route.Rules, error)
	// SetupConfig says what the database must have, as for serve.
	SetupConfig func(*config.Config, *route.Rules) setup.Config
	// URL is the stream's address as browsers reach it, to look at the proxy
	// between; "" for not at all.
	URL string
	// Now is the clock; time.Now if nil.
	Now func() time.Time

	// Bounds above which something is said; 0 for the default.

	// Retained is how many bytes of WAL the slot may hold back. Default 1 GiB.
	Retained int64
	// Transaction is how long a transaction that writes may run. Default 60 s.
	Transaction time.Duration
}

const (
	defaultRetained    = replication.HeavySlot
	defaultTransaction = time.Minute
	// patience bounds one check; connectPatience one connection.
	patience        = 20 * time.Second
	connectPatience = 10 * time.Second
)

// Scene is what the checks look at. Each finds what those before it put there.
type Scene struct {
	Options
	report *Report

	// config is what is in force, without the variables in refused; nil if there
	// is nothing to go on with.
	config     *config.Config
	refused    map[string]bool
	noDatabase bool
	rules      *route.Rules
	setup      setup.Config

	conn   *pgx.Conn
	unfit  string // why nothing can be asked over conn
	server server
	system *replication.System
	slot   *replication.Slot
	reader reader
	log    *eventlog.Peeked // nil: there is none, or it can't be read
	locked bool             // somebody has the log
}

// need is what a check can't do without.
type need uint8

const (
	nothing need = iota
	settings
	theDatabase
	theRulesAndDatabase
)

// checks are made in this order.
var checks = []struct {
	name  string
	needs need
	look  func(context.Context, *Scene) []Finding
}{
	{"configuration", nothing, configuration},
	{"sessions", nothing, sessions},
	{"origins", settings, origins},
	{"host of the cookie", settings, cookieHost},
	{"rules", settings, rules},
	{"data directory", settings, directory},
	{"event log", settings, eventLog},
	{"publishing", settings, publishing},
	{"database connection", settings, connection},
	{"server settings", theDatabase, serverSettings},
	{"clock", theDatabase, clock},
	{"transactions", theDatabase, transactions},
	{"database objects", theRulesAndDatabase, objects},
	{"tenant columns", theRulesAndDatabase, tenantColumns},
	{"replication connection", theDatabase, replicates},
	{"replication slot", theDatabase, slot},
	{"failover", theDatabase, failover},
	{"age of the slot", theDatabase, slotAge},
	{"event log and slot", theDatabase, continuity},
	{"proxy", nothing, proxy},
	{"running orgcast", settings, running},
}

// missing says why a check can't be made, "" if it can.
func (s *Scene) missing(n need) string {
	switch {
	case n == nothing:
		return ""
	case s.config == nil:
		return "the configuration can't be read"
	case (n == theDatabase || n == theRulesAndDatabase) && s.conn == nil:
		return "there is no connection to the database"
	case (n == theDatabase || n == theRulesAndDatabase) && s.unfit != "":
		return s.unfit
	case n == theRulesAndDatabase && s.rules == nil:
		return "the rules can't be read"
	}
	return ""
}

func (s *Scene) good(text string) { s.report.Good = append(s.report.Good, text) }

// Examine makes all checks. It returns an error only if ctx ends.
func Examine(ctx context.Context, o Options) (*Report, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Retained == 0 {
		o.Retained = defaultRetained
	}
	if o.Transaction == 0 {
		o.Transaction = defaultTransaction
	}
	s := &Scene{Options: o, report: &Report{Findings: []Finding{}, Good: []string{}, Skipped: []Skip{}}, refused: map[string]bool{}}
	defer func() {
		if s.conn != nil {
			// What is said to a server that is gone helps nobody.
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = s.conn.Close(closing)
		}
	}()
	for _, c := range checks {
		if why := s.missing(c.needs); why != "" {
			s.report.Skipped = append(s.report.Skipped, Skip{c.name, why})
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, patience)
		s.report.add(c.look(bounded, s))
		cancel()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return s.report, nil
}

// failed is a check that could not be made to its end.
func failed(what string, err error) []Finding {
	return []Finding{found(CheckFailed, what+": "+plain(err), "mend the cause, or make the role able to read the catalog, and look again")}
}
