package setup

import (
	"errors"
	"fmt"
	"slices"

	"github.com/oikion/orgcast"
)

const publishOptions = `publish = 'insert, update, delete, truncate', publish_via_partition_root = true`

// planApply plans from what is there to what is wanted. For every table the
// identity comes before the publication: between the two the application may
// write, and a published table without identity would refuse it.
func planApply(f *facts, cfg Config) (*plan, error) {
	if err := refuse(f, cfg); err != nil {
		return nil, err
	}
	rec, err := recordFor(f, cfg)
	if err != nil {
		return nil, err
	}
	p := &plan{}
	if f.walLevel != "logical" {
		p.warn(walLevelProblem(f))
	}
	planPublication(p, f, cfg, rec)
	for _, t := range cfg.Tables {
		if t.Published {
			planTable(p, f, cfg, t)
		}
	}
	p.warnings = append(p.warnings, unmapped(f, cfg)...)
	return p, planRole(p, f, cfg, rec)
}

// refuse names everything that must be settled before the first change.
func refuse(f *facts, cfg Config) error {
	problems := slices.Concat(serverProblems(f), tableProblems(f, cfg), publicationConflicts(f, cfg), roleConflicts(f, cfg))
	var errs []error
	for _, p := range problems {
		if p.Fatal && p.Code != WALLevel {
			errs = append(errs, orgcast.WithHint("check "+string(p.Code), errors.New(p.Text), p.Hint))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return orgcast.WithHint("plan setup", errors.Join(errs...), orgcast.Hint(errs[0]))
}

// recordFor is the record as it must stand before the first table changes:
// the one that is there, and what is not in it yet.
func recordFor(f *facts, cfg Config) (record, error) {
	rec := record{Orgcast: recordVersion, Made: true}
	if f.publication != nil {
		have, ours := parseRecord(f.publication.comment)
		switch {
		case !ours:
			rec.Made, rec.Comment = false, f.publication.comment
		case have.Orgcast > recordVersion:
			return rec, newerRecord(cfg)
		default:
			rec = have
		}
	}
	for _, t := range cfg.Tables {
		if !t.Published {
			continue
		}
		for _, r := range f.tree(t) {
			e := rec.table(r.schema, r.name)
			if e == nil {
				rec.Tables = append(rec.Tables, recordTable{Schema: r.schema, Table: r.name, Was: r.identity, Index: r.index})
				e = &rec.Tables[len(rec.Tables)-1]
			}
			if r.oid == r.root && !isMember(f, r) {
				e.Added = true
			}
		}
	}
	return rec, nil
}

func newerRecord(cfg Config) error {
	return orgcast.WithHint("read setup's record", fmt.Errorf("the comment of publication %s was written by a newer orgcast", cfg.Publication),
		"use that version of orgcast, or a newer one")
}

func isMember(f *facts, r *relation) bool {
	if f.publication == nil {
		return false
	}
	_, ok := f.publication.members[r.oid]
	return ok
}

func planPublication(p *plan, f *facts, cfg Config, rec record) {
	name := quoteIdent(cfg.Publication)
	create := step{
		name: "create publication " + cfg.Publication,
		sql:  []string{"CREATE PUBLICATION " + name + " WITH (" + publishOptions + ")", commentOn(cfg, rec.String())},
		hint: "connect as the database's owner, or: GRANT CREATE ON DATABASE " + quoteIdent(f.database) + " TO " + quoteIdent(f.me.name),
	}
	if f.publication == nil {
		p.add(create)
		if f.slot != nil {
			p.warn(Problem{Code: SlotOlder, Fatal: true,
				Text: fmt.Sprintf("slot %s was made before publication %s: at its position the publication does not exist", cfg.Slot, cfg.Publication),
				Hint: "stop orgcast, then: SELECT pg_drop_replication_slot(" + quoteLiteral(cfg.Slot) + "); serve makes a new one"})
		}
		return
	}
	p.add(step{name: create.name, done: true})
	p.add(step{
		name: "record what was before",
		sql:  []string{commentOn(cfg, rec.String())},
		done: f.publication.comment == rec.String(),
		hint: "connect as the publication's owner or a superuser",
	})
	p.add(step{
		name: "set options of publication " + cfg.Publication,
		sql:  []string{"ALTER PUBLICATION " + name + " SET (" + publishOptions + ")"},
		done: f.publication.operations && f.publication.viaRoot,
		hint: "connect as the publication's owner or a superuser",
	})
}

func commentOn(cfg Config, text string) string {
	if text == "" {
		return "COMMENT ON PUBLICATION " + quoteIdent(cfg.Publication) + " IS NULL"
	}
	return "COMMENT ON PUBLICATION " + quoteIdent(cfg.Publication) + " IS " + quoteLiteral(text)
}

func planTable(p *plan, f *facts, cfg Config, t Table) {
	// The identity of a partitioned table is each partition's own.
	tree := f.tree(t)
	for _, r := range tree {
		p.add(step{
			name:  "set replica identity of " + r.String() + " to full",
			sql:   []string{"ALTER TABLE ONLY " + r.ident() + " REPLICA IDENTITY FULL"},
			done:  r.identity == "f",
			table: r,
			hint:  "run setup as the table's owner, " + r.owner,
		})
	}
	// ONLY: else the children of an inheritance parent come too, without
	// an identity.
	p.add(step{
		name:  "publish " + t.String(),
		sql:   []string{"ALTER PUBLICATION " + quoteIdent(cfg.Publication) + " ADD TABLE ONLY " + t.ident()},
		done:  isMember(f, tree[0]),
		table: tree[0],
		weak:  true,
		hint:  "run setup as the owner of both the publication and the table, " + tree[0].owner,
	})
}
