package setup

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Check says how the database stands, as the current role sees it. It only
// reads the catalog: serve runs it at start and every ten seconds, because a
// migration, a dropped index or a new publication tells nobody.
func Check(ctx context.Context, conn *pgx.Conn, cfg Config) (*State, error) {
	cfg = cfg.withDefaults()
	f, err := inspect(ctx, conn, cfg)
	if err != nil {
		return nil, err
	}
	s := &State{OIDs: map[string]uint32{}, Version: f.version, Database: f.database, Role: f.me.name, Provider: f.provider}
	for _, t := range cfg.Tables {
		if r := f.byName[t.String()]; r != nil {
			s.OIDs[t.String()] = r.oid
		}
	}
	s.Problems = slices.Concat(serverProblems(f), slotProblems(f, cfg), publicationProblems(f, cfg),
		tableProblems(f, cfg), memberProblems(f, cfg), readProblems(f, cfg), roleProblems(f, cfg))
	return s, nil
}

func slotProblems(f *facts, cfg Config) []Problem {
	if why := foreignSlot(f); why != "" {
		return []Problem{{Code: SlotForeign, Fatal: true, Text: fmt.Sprintf("slot %s %s", cfg.Slot, why),
			Hint: "choose another slot name: slots are shared by all databases of a server"}}
	}
	if f.slot == nil && f.slotsFree <= 0 {
		return []Problem{{Code: SlotsExhausted, Fatal: true, Text: "all replication slots are taken",
			Hint: "raise max_replication_slots and restart PostgreSQL, or drop a slot that nobody reads: SELECT slot_name, active FROM pg_replication_slots"}}
	}
	return nil
}

func publicationProblems(f *facts, cfg Config) []Problem {
	p := f.publication
	if p == nil {
		return []Problem{{Code: PublicationMissing, Fatal: true, Text: "there is no publication " + cfg.Publication, Hint: "run orgcast setup"}}
	}
	var out []Problem
	if p.allTables {
		out = append(out, Problem{Code: PublicationAllTables,
			Text: fmt.Sprintf("publication %s is FOR ALL TABLES or for a schema's: a table without identity refuses UPDATE and DELETE", cfg.Publication),
			Hint: "drop it and run orgcast setup, which names the tables"})
	}
	if !p.operations || !p.viaRoot {
		out = append(out, Problem{Code: PublicationOptions, Fatal: true,
			Text: fmt.Sprintf("publication %s does not publish every operation via the partition root", cfg.Publication), Hint: "run orgcast setup"})
	}
	return append(out, rowFilters(f, cfg)...)
}

// memberProblems hold the publication's members and their identities against
// the rules.
func memberProblems(f *facts, cfg Config) []Problem {
	if f.publication == nil {
		return nil
	}
	var out []Problem
	seen := map[uint32]bool{}
	for _, t := range cfg.Tables {
		if !t.Published {
			continue
		}
		tree := f.tree(t)
		if len(tree) > 0 && !isMember(f, tree[0]) {
			out = append(out, Problem{Code: TableNotPublished, Table: t.String(), Fatal: true,
				Text: fmt.Sprintf("%s is not in publication %s", t, cfg.Publication), Hint: "run orgcast setup"})
		}
		for _, r := range tree {
			seen[r.oid] = true
			out = append(out, identityProblems(r)...)
		}
	}
	for _, r := range f.memberRelations() {
		if !seen[r.oid] && r.kind != "p" && !r.writable() {
			out = append(out, identityMissing(r))
		}
	}
	return append(out, unmapped(f, cfg)...)
}

func identityProblems(r *relation) []Problem {
	switch {
	case r.identity == "f" || r.unpublishable() != "":
		return nil
	case !r.writable():
		return []Problem{identityMissing(r)}
	}
	return []Problem{{Code: IdentityNotFull, Table: r.String(), Fatal: true, Hint: "run orgcast setup",
		Text: fmt.Sprintf("replica identity of %s is %s, not full: a DELETE does not say whose row it was", r, r.identityWord())}}
}

func identityMissing(r *relation) Problem {
	return Problem{Code: IdentityMissing, Table: r.String(), Fatal: true,
		Text: fmt.Sprintf("replica identity of %s is %s: the application's UPDATE and DELETE fail", r, r.identityWord()),
		Hint: "at once: ALTER TABLE " + r.ident() + " REPLICA IDENTITY FULL; or take it out of the publication"}
}

// readProblems are about what the current role reads at the snapshot.
func readProblems(f *facts, cfg Config) []Problem {
	var out []Problem
	for _, t := range cfg.Tables {
		r := f.byName[t.String()]
		if r == nil || !t.Read {
			continue
		}
		if !r.selectHere {
			out = append(out, Problem{Code: ReadDenied, Table: t.String(), Fatal: true,
				Text: fmt.Sprintf("role %s may not read %s", f.me.name, t), Hint: "run orgcast setup"})
		}
		if r.rowSecurityHere {
			out = append(out, Problem{Code: ReadRowSecurity, Table: t.String(), Fatal: true,
				Text: fmt.Sprintf("%s has row-level security, and role %s can't read past it at the snapshot", t, f.me.name),
				Hint: "as superuser: ALTER ROLE " + quoteIdent(f.me.name) + " BYPASSRLS"})
		}
	}
	return out
}

func roleProblems(f *facts, cfg Config) []Problem {
	me := f.me
	var out []Problem
	warn := func(code Code, hint, text string) {
		out = append(out, Problem{Code: code, Text: "role " + me.name + " " + text, Hint: hint})
	}
	own := "run orgcast setup with a role of orgcast's own in ORGCAST_DATABASE_URL"
	switch {
	case me.super:
		warn(RoleSuperuser, own, "is a superuser")
	case !me.replication:
		out = append(out, Problem{Code: RoleNoReplication, Fatal: true, Text: "role " + me.name + " lacks REPLICATION",
			Hint: own + "; or " + f.provider.replicationHint(quoteIdent(me.name))})
	case len(me.ownerOf) > 0:
		warn(RoleOwner, own, "owns "+me.ownerOf[0]+": it looks like the application's own")
	case len(me.actsAs) > 0:
		warn(RoleShared, own, "is a member of "+me.actsAs[0]+", who owns mapped tables")
	}
	needed := slices.ContainsFunc(cfg.Tables, func(t Table) bool {
		r := f.byName[t.String()]
		return t.Read && r != nil && r.rowSecurity
	})
	if me.bypassRLS && !me.super && !needed {
		warn(RoleBypassRLS, "ALTER ROLE "+quoteIdent(me.name)+" NOBYPASSRLS", "has BYPASSRLS, and no table that it reads needs it")
	}
	return out
}
