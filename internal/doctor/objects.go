package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/oikion/orgcast/internal/setup"
)

// objects passes on what serve itself checks at its start and every few seconds.
func objects(ctx context.Context, s *Scene) (out []Finding) {
	state, err := setup.Check(ctx, s.conn, s.setup)
	if err != nil {
		return failed("check the database", err)
	}
	for _, p := range state.Problems {
		text, cure := p.Text, p.Hint
		switch p.Code {
		case setup.TableNotPublished:
			if children := childrenOf(s.rules, p.Table); len(children) > 0 {
				text += "; without it nobody knows whose the rows of " + some(children) + " are"
			}
		case setup.IdentityMissing:
			// Prisma's table of an implicit many-to-many relation.
			if _, name, _ := strings.Cut(p.Table, "."); strings.HasPrefix(name, "_") {
				cure += " (Prisma made it for an implicit many-to-many relation, before version 6 without a primary key)"
			}
		}
		f := found(Code(p.Code), text, cure).as(Warning)
		if p.Fatal {
			f = f.as(Fatal)
		}
		f.Table = p.Table
		out = append(out, f)
	}
	if len(out) == 0 {
		s.good(fmt.Sprintf("database objects: publication %s and %d tables are as they should be", s.config.Publication, len(s.setup.Tables)))
	}
	return out
}
