package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/config"
)

// databaseVariables may each hold the database's address.
var databaseVariables = []string{"ORGCAST_DATABASE_URL", "DIRECT_URL", "DATABASE_URL_UNPOOLED", "POSTGRES_URL_NON_POOLING", "DATABASE_URL"}

// nowhere takes the place of an address that is refused, so that the rest of the
// configuration can be read. Nobody connects to it.
const nowhere = "postgresql://127.0.0.1/none?sslmode=disable"

// configuration reads the variables as serve does. Those that are refused are
// told and left out, until what remains can be read.
func configuration(_ context.Context, s *Scene) (out []Finding) {
	environ := maps.Clone(s.Environ)
	if environ == nil {
		environ = map[string]string{}
	}
	for {
		cfg, err := config.Load(environ)
		if err == nil {
			s.config = cfg
			break
		}
		before := len(environ)
		all, ok := errors.AsType[*config.Error](err)
		if !ok {
			return append(out, found(ConfigurationInvalid, err.Error(), cureOf(err, "see docs/CONFIG.md")))
		}
		for _, p := range all.Problems {
			variable, cause := variableOf(p)
			out = append(out, found(s.codeOf(variable, cause), variable+": "+cause.Error(), orgcast.Hint(p)))
			s.refused[variable] = true
			s.leaveOut(environ, variable)
		}
		// A problem of a variable that is not there can't be left out.
		if len(environ) == before && !s.noDatabase || len(out) > len(s.Environ)+len(databaseVariables) {
			return out
		}
	}
	if len(out) == 0 {
		s.good(fmt.Sprintf("configuration: %s; listening on %s, operator on %s", s.config.Database, s.config.Listen, s.config.AdminListen))
	}
	d := s.config.Database
	if d.TLS == "disable" && !d.Local() && !s.noDatabase {
		out = append(out, found(DatabasePlaintext, "the database is reached without TLS: password and rows can be read on the way",
			"take sslmode=disable out of its address, or say sslmode=verify-full"))
	}
	if len(d.Left) > 0 {
		out = append(out, found(ParametersLeftOut, "the database's address has parameters that only Prisma understands, and orgcast leaves out: "+some(d.Left),
			"nothing is to be done"))
	}
	return out
}

// leaveOut removes a variable, and with it what would be found wrong only
// because it is gone.
func (s *Scene) leaveOut(environ map[string]string, variable string) {
	delete(environ, variable)
	switch {
	case slices.Contains(databaseVariables, variable):
		for _, name := range databaseVariables {
			delete(environ, name)
		}
		environ["ORGCAST_DATABASE_URL"] = nowhere
		s.noDatabase = true
	case variable == "ORGCAST_ADMIN_TOKEN" || variable == "ORGCAST_ADMIN_TOKEN_FILE":
		for _, name := range []string{"ORGCAST_ADMIN_TOKEN", "ORGCAST_ADMIN_TOKEN_FILE", "ORGCAST_ADMIN_LISTEN"} {
			delete(environ, name)
		}
	}
}

// variableOf takes a problem of the configuration apart.
func variableOf(problem error) (variable string, cause error) {
	e, ok := errors.AsType[*orgcast.Error](problem)
	if !ok || e.Err == nil {
		return "", problem
	}
	return strings.TrimPrefix(e.Op, "read "), e.Err
}

// codeOf finds the code of a problem. The configuration has words for people
// only; tests hold these to them.
func (s *Scene) codeOf(variable string, cause error) Code {
	value := s.Environ[variable]
	switch {
	case cause.Error() == "it is not known":
		return VariableUnknown
	case variable == "NODE_ENV":
		return DevelopmentPublic
	case variable == "ORGCAST_ORIGINS" || variable == "NEXT_PUBLIC_APP_URL":
		return OriginInvalid
	case variable == "ORGCAST_ADMIN_LISTEN" && strings.Contains(cause.Error(), "token"):
		return AdminOpen
	case !slices.Contains(databaseVariables, variable):
		return ConfigurationInvalid
	case value == "":
		return DatabaseURLMissing
	case strings.HasPrefix(strings.ToLower(value), "prisma"):
		return DatabasePrisma
	case strings.Contains(cause.Error(), "does not pass replication on"):
		return DatabasePooler
	}
	return DatabaseURLInvalid
}
