package feed

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/route"
)

// oracle says by SQL whose the rows of an application are. A trigger keeps the
// history of the transaction at hand, in the order in which its rows were written,
// and gives every version a token of its own; before and after are the tables as
// the commits around it leave them.
//
// Whose a row is hangs on which parents are asked: those that the transaction
// found, and of those that it made the first (first); those that were there just
// before a change, the deleted ones too (known); besides these, of the ones that only
// come later, what the transaction first makes of them (place); those that the
// commit leaves (commit).
const oracle = `
CREATE SCHEMA oracle;
CREATE SEQUENCE oracle.tokens START 900000;
CREATE UNLOGGED TABLE oracle.ways (n serial, tbl text, col text, parent text);
CREATE UNLOGGED TABLE oracle.history (seq bigserial, tbl text, old jsonb, new jsonb);
CREATE UNLOGGED TABLE oracle.before (tbl text, id text, doc jsonb);
CREATE UNLOGGED TABLE oracle.after (tbl text, id text, doc jsonb);
CREATE FUNCTION oracle.remember() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF TG_OP = 'DELETE' THEN
		INSERT INTO oracle.history (tbl, old) VALUES (TG_TABLE_NAME, to_jsonb(OLD));
		RETURN OLD;
	END IF;
	NEW.v := nextval('oracle.tokens');
	INSERT INTO oracle.history (tbl, old, new) VALUES (TG_TABLE_NAME, CASE TG_OP WHEN 'UPDATE' THEN to_jsonb(OLD) END, to_jsonb(NEW));
	RETURN NEW;
END $$;
CREATE FUNCTION oracle.find(t text, key text, state text, at bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT CASE state
	WHEN 'first' THEN coalesce((SELECT doc FROM oracle.before WHERE tbl = t AND id = key),
		(SELECT new FROM oracle.history WHERE tbl = t AND new->>'id' = key ORDER BY seq LIMIT 1))
	WHEN 'known' THEN coalesce((SELECT new FROM oracle.history WHERE tbl = t AND new->>'id' = key AND seq < at ORDER BY seq DESC LIMIT 1),
		(SELECT doc FROM oracle.before WHERE tbl = t AND id = key))
	WHEN 'place' THEN coalesce(oracle.find(t, key, 'known', at),
		(SELECT new FROM oracle.history WHERE tbl = t AND new->>'id' = key AND seq > at ORDER BY seq LIMIT 1))
	ELSE (SELECT doc FROM oracle.after WHERE tbl = t AND id = key) END $$;
CREATE FUNCTION oracle.owner(t text, doc jsonb, state text, at bigint) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE way record; one text; found text; parent jsonb;
BEGIN
	FOR way IN SELECT * FROM oracle.ways WHERE tbl = t ORDER BY n LOOP
		CONTINUE WHEN doc->>way.col IS NULL;
		IF way.parent = '' THEN
			one := 'org:' || (doc->>way.col);
		ELSE
			parent := oracle.find(way.parent, doc->>way.col, state, at);
			IF parent IS NULL THEN RETURN 'tenant_unknown'; END IF;
			one := oracle.owner(way.parent, parent, state, at);
			IF one NOT LIKE 'org:%' THEN RETURN one; END IF;
		END IF;
		IF found <> one THEN RETURN 'tenants_disagree'; END IF;
		found := one;
	END LOOP;
	RETURN coalesce(found, 'tenant_null');
END $$`

// judgement is the oracle's, of one change.
type judgement struct {
	table                         *tenantTable
	old, new                      map[string]*string
	wasFirst, wasKnown, wasCommit string   // whose the old version was: "org:…", or a reason
	isPlace, isCommit             string   // whose the new one is
	life                          []string // whose it was, until it was replaced
	final                         bool     // the new version is what the commit leaves

	// sure: there is one answer; it is withheld, with a reason, or told.
	sure          bool
	reason        route.Reason
	before, after orgcast.OrganizationID
	// The rows below a parent go, for sure, from one organization to another.
	parentWas, parentIs orgcast.OrganizationID
}

// judge asks the oracle about the transaction that was just committed.
func (a *tenants) judge() (all []*judgement) {
	a.t.Helper()
	var s strings.Builder
	s.WriteString("DELETE FROM oracle.before; INSERT INTO oracle.before SELECT * FROM oracle.after; DELETE FROM oracle.after;\n")
	for _, t := range a.tables {
		fmt.Fprintf(&s, "INSERT INTO oracle.after SELECT '%[1]s', id, to_jsonb(r) FROM app.%[1]s r;\n", t.name)
	}
	a.exec(s.String())
	rows, err := a.conn.Query(context.Background(), `
		SELECT tbl, old, new, oracle.owner(tbl, old, 'first', seq), oracle.owner(tbl, old, 'known', seq), oracle.owner(tbl, old, 'commit', seq),
			oracle.owner(tbl, new, 'place', seq), oracle.owner(tbl, new, 'commit', seq),
			array(SELECT DISTINCT oracle.owner(h.tbl, h.new, 'known', k.seq) FROM oracle.history k
				WHERE k.seq > h.seq AND k.seq <= coalesce((SELECT min(seq) FROM oracle.history r WHERE r.old->>'v' = h.new->>'v'), k.seq)),
			EXISTS (SELECT FROM oracle.after WHERE doc->>'v' = h.new->>'v')
		FROM oracle.history h ORDER BY seq`)
	if err != nil {
		a.t.Fatal(err)
	}
	defer rows.Close()
	told := map[string]orgcast.OrganizationID{} // by a version's token; "" if nobody for sure
	deleted := map[string]*judgement{}          // parents, by table and key
	for rows.Next() {
		j := &judgement{}
		var table string
		if err := rows.Scan(&table, &j.old, &j.new, &j.wasFirst, &j.wasKnown, &j.wasCommit, &j.isPlace, &j.isCommit, &j.life, &j.final); err != nil {
			a.t.Fatal(err)
		}
		j.table = a.table(table)
		j.decide(told)
		if j.new != nil {
			told[*j.new["v"]] = ""
			if j.sure && j.reason == "" {
				told[*j.new["v"]] = j.after
			}
		}
		if a.isParent(table) {
			j.moves(deleted)
		}
		all = append(all, j)
	}
	if err := rows.Err(); err != nil {
		a.t.Fatal(err)
	}
	return all
}

// moves finds from whom to whom a change of a parent takes the rows below it.
func (j *judgement) moves(deleted map[string]*judgement) {
	was := j
	switch {
	case j.new == nil:
		deleted[j.table.name+*j.old["id"]] = j
		return
	case j.old == nil: // its key may be that of one which is gone
		was = deleted[j.table.name+*j.new["id"]]
	}
	if was != nil && was.wasFirst == was.wasKnown && j.isPlace == j.isCommit {
		j.parentWas, j.parentIs = organization(was.wasKnown), organization(j.isCommit)
	}
}

func organization(owner string) orgcast.OrganizationID {
	o, ok := strings.CutPrefix(owner, "org:")
	if !ok {
		return ""
	}
	return orgcast.OrganizationID(o)
}

func reason(owner string) route.Reason {
	if strings.HasPrefix(owner, "org:") {
		return ""
	}
	return route.Reason(owner)
}

// shows tells whether the WAL says whose the old version was.
func (j *judgement) shows() bool {
	switch j.table.identity {
	case orgcast.IdentityFull:
		return true
	case orgcast.IdentityIndex:
		columns := j.table.inIdentity()
		covers := len(columns) > len(j.table.ways)
		changed := j.new == nil || slices.ContainsFunc(columns, func(c string) bool { return text(j.old[c]) != text(j.new[c]) })
		return covers && changed
	}
	return false
}

func text(s *string) string {
	if s == nil {
		return "null"
	}
	return "=" + *s
}

// decide finds what is to become of the change, if there is no doubt.
func (j *judgement) decide(told map[string]orgcast.OrganizationID) {
	j.sure = true
	var was, is route.Reason
	if j.old != nil {
		if !j.shows() {
			j.reason = route.ReasonNoOldRow
			return
		}
		j.before, was = organization(j.wasKnown), reason(j.wasKnown)
		j.sure = j.wasFirst == j.wasKnown
		if organization, made := told[*j.old["v"]]; made && (was != "" || organization != j.before) {
			j.sure = false // it was told to somebody else, or to nobody
		}
	}
	if j.new != nil {
		j.after, is = organization(j.isCommit), reason(j.isCommit)
		j.sure = j.sure && j.isPlace == j.isCommit
	}
	if !j.sure {
		return
	}
	if j.old != nil && j.new != nil {
		// Nobody's before, or nobody's now, is new or gone to the other.
		switch {
		case was == route.ReasonTenantNull && is == "":
			was = ""
		case was == "" && is == route.ReasonTenantNull:
			is = ""
		}
	}
	if j.reason = was; was == "" {
		j.reason = is
	}
}

// told lists what is to be told of a change that is beyond doubt.
func (j *judgement) told() (want []string) {
	switch {
	case !j.table.told || j.reason != "":
	case j.old == nil:
		want = append(want, "create "+string(j.after))
	case j.new == nil:
		want = append(want, "delete "+string(j.before))
	case j.before == j.after && *j.old["id"] == *j.new["id"]:
		want = append(want, "update "+string(j.after))
	default:
		if j.before != "" {
			want = append(want, "delete "+string(j.before))
		}
		if j.after != "" {
			want = append(want, "create "+string(j.after))
		}
	}
	return want
}

// mayHave tells whether an organization may be told the new version's values.
func (j *judgement) mayHave(o orgcast.OrganizationID) bool {
	at, end := organization(j.isPlace), organization(j.isCommit)
	if j.final {
		// A parent that the transaction deleted besides was nobody else's.
		return o == end && end != "" || j.isCommit == string(route.ReasonTenantUnknown) && o == at && at != ""
	}
	// It came and went: his whose it was at all times, or would be at the commit. A
	// parent that only comes later is found beforehand.
	life := slices.DeleteFunc(slices.Clone(j.life), func(owner string) bool { return owner == string(route.ReasonTenantUnknown) })
	switch {
	case o == "":
		return false
	case len(life) == 1 && o == organization(life[0]), len(life) == 0 && o == at:
		return true
	}
	return o == end && at == end
}

var token = regexp.MustCompile(`"v":"(9\d{5,})"`)
