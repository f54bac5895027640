package setup

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// oldestVersion: logical messages and the restart of long transactions.
const oldestVersion = 140000

// TooOld is the problem of a server of that server_version_num, nil if there is
// none. Nothing more can be asked of such a server: its catalog has other columns.
func TooOld(version int) *Problem {
	if version >= oldestVersion {
		return nil
	}
	return &Problem{Code: ServerTooOld, Fatal: true,
		Text: fmt.Sprintf("PostgreSQL is %d, older than 14", version/10000), Hint: "upgrade PostgreSQL to 14 or newer"}
}

func serverProblems(f *facts) []Problem {
	var out []Problem
	if f.standby {
		out = append(out, Problem{Code: ServerIsStandby, Fatal: true,
			Text: "the server is a standby", Hint: "connect to the primary"})
	}
	if f.walLevel != "logical" {
		out = append(out, walLevelProblem(f))
	}
	return out
}

func walLevelProblem(f *facts) Problem {
	return Problem{Code: WALLevel, Fatal: true, Text: "wal_level is " + f.walLevel + ", not logical", Hint: f.provider.walLevelHint()}
}

// tableProblems are about the wanted tables themselves, published or not yet.
func tableProblems(f *facts, cfg Config) []Problem {
	var out []Problem
	for _, t := range cfg.Tables {
		r := f.byName[t.String()]
		if r == nil {
			out = append(out, Problem{Code: TableMissing, Table: t.String(), Fatal: true,
				Text: fmt.Sprintf("there is no table %s", t), Hint: "run the application's migrations, or take the table out of the rules"})
			continue
		}
		fatal := func(code Code, hint, format string, args ...any) {
			out = append(out, Problem{Code: code, Table: t.String(), Fatal: true, Hint: hint,
				Text: t.String() + " " + fmt.Sprintf(format, args...)})
		}
		if why := r.unpublishable(); t.Published && why != "" {
			fatal(TableKind, "name an ordinary or a partitioned table in the rule", "%s", why)
		}
		for _, c := range t.Columns {
			before := len(out)
			switch {
			case !slices.Contains(r.columns, c):
				fatal(ColumnMissing, "run the application's migrations, or correct the rule", "has no column %s", c)
			case t.Published && slices.Contains(r.generated, c):
				fatal(ColumnGenerated, "take the column out of the rule", "has a generated column %s, which the WAL does not carry", c)
			}
			for i := range out[before:] {
				out[before+i].Column = c
			}
		}
		if t.Published && r.rowSecurity && !t.TenantOnly {
			fatal(RowSecurity, "if its policies ask about the organization only, say rls: tenant_only in its rule; else take it out",
				"has row-level security, which does not apply to the WAL")
		}
		if !t.Published {
			continue
		}
		for _, part := range f.tree(t) {
			if len(part.columnLists) > 0 {
				fatal(ColumnList, "take the column list off: identity full needs every column, and the application's UPDATE and DELETE fail without",
					"has a column list in publication %s", strings.Join(part.columnLists, ", "))
				break
			}
		}
	}
	return out
}

// publicationConflicts are what setup can't or must not repair.
func publicationConflicts(f *facts, cfg Config) []Problem {
	if f.publication == nil {
		return nil
	}
	var out []Problem
	if f.publication.allTables {
		out = append(out, Problem{Code: PublicationAllTables, Fatal: true,
			Text: fmt.Sprintf("publication %s is FOR ALL TABLES or for a schema's", cfg.Publication),
			Hint: "choose another publication name: such a one publishes tables without identity too, and their DELETE fails"})
	}
	if rec, ours := f.record(); (!ours || !rec.Made) && !(f.publication.operations && f.publication.viaRoot) {
		out = append(out, Problem{Code: PublicationOptions, Fatal: true,
			Text: fmt.Sprintf("publication %s is not setup's, and has other options than it needs", cfg.Publication),
			Hint: "choose another publication name, or: ALTER PUBLICATION " + quoteIdent(cfg.Publication) + " SET (" + publishOptions + ")"})
	}
	return append(out, rowFilters(f, cfg)...)
}

func rowFilters(f *facts, cfg Config) []Problem {
	var out []Problem
	for _, t := range cfg.Tables {
		r := f.byName[t.String()]
		if r == nil || !t.Published || !f.publication.members[r.oid].rowFilter {
			continue
		}
		out = append(out, Problem{Code: RowFilter, Table: t.String(), Fatal: true,
			Text: fmt.Sprintf("%s has a row filter in publication %s: rows that it hides are missed in silence", t, cfg.Publication),
			Hint: "ALTER PUBLICATION " + quoteIdent(cfg.Publication) + " DROP TABLE " + t.ident() + ", then run orgcast setup"})
	}
	return out
}

// unmapped are the publication's members that no rule wants.
func unmapped(f *facts, cfg Config) []Problem {
	if f.publication == nil || f.publication.allTables {
		return nil
	}
	wanted := map[uint32]bool{}
	for _, t := range cfg.Tables {
		if t.Published {
			for _, r := range f.tree(t) {
				wanted[r.oid] = true
			}
		}
	}
	var out []Problem
	for _, r := range f.memberRelations() {
		if !wanted[r.oid] {
			out = append(out, Problem{Code: TableUnmapped, Table: r.String(),
				Text: fmt.Sprintf("%s is published, and no rule maps it", r),
				Hint: "ALTER PUBLICATION " + quoteIdent(cfg.Publication) + " DROP TABLE " + r.ident()})
		}
	}
	return out
}

// memberRelations are the publication's members, by OID.
func (f *facts) memberRelations() []*relation {
	members := map[uint32]*relation{}
	for _, r := range f.relations {
		if isMember(f, r) {
			members[r.oid] = r
		}
	}
	var out []*relation
	for _, oid := range slices.Sorted(maps.Keys(members)) {
		out = append(out, members[oid])
	}
	return out
}
