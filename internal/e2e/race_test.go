package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// race is a property that moves between organizations, and those who change its
// children meanwhile. Every text says for whom it is: the organization that has
// the property when the text's transaction commits.
type race struct {
	t      *testing.T
	r      *rand.Rand
	id     string
	owner  string // as committed
	mover  *pgx.Conn
	others []*pgx.Conn
	// open are the texts of the open transactions of others, without whom they are for.
	open   [][]string
	serial int
	want   []string // complete texts that their organization must be told
	moves  []string // "from to", those that must be reset
}

func (r *race) do(conn *pgx.Conn, sql string) {
	r.t.Helper()
	if _, err := conn.PgConn().Exec(r.t.Context(), sql).ReadAll(); err != nil {
		r.t.Fatalf("%v in %s", err, sql)
	}
}

// text begins a text that is not finished before its transaction commits: whose
// it will be is known only then, so the row's last writer in it names the owner.
func (r *race) text() string {
	r.serial++
	return fmt.Sprintf("%s-%d", r.id, r.serial)
}

// testParentMoveRace: while a property moves between three organizations, its
// notes and listings are made, changed and deleted in its transactions and in
// others that are open at the same time. Nobody is told a text that was not his at
// its commit, and both organizations of every move are told to refetch.
func testParentMoveRace(t *testing.T, h *house, s *instance) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	mover, others := h.Conn(t), []*pgx.Conn{h.Conn(t), h.Conn(t)}
	for round := range 25 {
		ears := s.each(t, h, 3)
		r := &race{t: t, r: random, id: fmt.Sprintf("raced-%d", round), owner: org(1 + random.IntN(3)), mover: mover, others: others}
		h.property(t, r.id, r.owner, "for-"+r.owner)
		r.run(40)
		r.judge(ears, s.hear(t, h, ears...))
		for _, e := range ears {
			e.live.Close()
		}
	}
}

// run does random steps. The commits are one after the other, so that their order
// is known; what they write overlaps.
func (r *race) run(steps int) {
	r.open = make([][]string, len(r.others))
	begun := make([]bool, len(r.others))
	for range steps {
		i := r.r.IntN(len(r.others) + 1)
		if i == len(r.others) {
			r.move()
			continue
		}
		conn := r.others[i]
		if begun[i] && r.r.IntN(2) == 0 {
			r.commit(i)
			begun[i] = false
			continue
		}
		if !begun[i] {
			r.do(conn, `BEGIN`)
			begun[i] = true
		}
		r.open[i] = append(r.open[i], r.text())
		// Something that is rewritten at the commit: the transaction has been open
		// over moves of others.
		r.do(conn, fmt.Sprintf(`INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ('%s', 'unfinished', '%s', 'user_1')`, r.open[i][len(r.open[i])-1], r.id))
	}
	for i := range r.others {
		if begun[i] {
			r.commit(i)
		}
	}
}

// commit ends a transaction of others: each row that it made gets its text.
func (r *race) commit(i int) {
	for _, id := range r.open[i] {
		text := fmt.Sprintf("for-%s %s.", r.owner, id)
		r.do(r.others[i], fmt.Sprintf(`UPDATE notes SET content = '%s' WHERE id = '%s'`, text, id))
		r.want = append(r.want, text)
		if r.r.IntN(4) == 0 {
			r.do(r.others[i], `DELETE FROM notes WHERE id = '`+id+`'`)
		}
	}
	r.do(r.others[i], `COMMIT`)
	r.open[i] = nil
}

// move moves the property in a transaction that changes children before, between
// and after, and perhaps moves it more than once.
func (r *race) move() {
	var sql strings.Builder
	path := []string{r.owner}
	for range 1 + r.r.IntN(2) {
		path = append(path, org(1+r.r.IntN(3)))
	}
	final := path[len(path)-1]
	child := func() {
		id := r.text()
		switch r.r.IntN(5) {
		case 0:
		case 1:
			fmt.Fprintf(&sql, `INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ('%s', 'for-%s', '%s', 'user_1');`, id, final, r.id)
		case 2: // one that was there
			fmt.Fprintf(&sql, `UPDATE notes SET content = 'for-%s %s' WHERE id = (SELECT id FROM notes WHERE "propertyId" = '%s' ORDER BY id LIMIT 1);`, final, id, r.id)
		case 3:
			fmt.Fprintf(&sql, `DELETE FROM notes WHERE id = (SELECT id FROM notes WHERE "propertyId" = '%s' ORDER BY id DESC LIMIT 1);`, r.id)
		default:
			fmt.Fprintf(&sql, `INSERT INTO media_assets (id, url, "propertyId", "assetType") VALUES ('%s', 'for-%s', '%s', 'IMAGE');`, id, final, r.id)
		}
	}
	sql.WriteString("BEGIN;")
	child()
	for i, to := range path[1:] {
		fmt.Fprintf(&sql, `UPDATE properties SET "organizationId" = '%s', description = 'for-%[1]s' WHERE id = '%s';`, to, r.id)
		if from := path[i]; from != to {
			r.moves = append(r.moves, from+" "+to)
		}
		child()
	}
	sql.WriteString("COMMIT")
	r.do(r.mover, sql.String())
	r.owner = final
}

func (r *race) judge(ears []*ear, told [][]string) {
	r.t.Helper()
	resets := map[string]int{}
	for _, m := range r.moves {
		from, to, _ := strings.Cut(m, " ")
		resets[from]++
		resets[to]++
	}
	for i, e := range ears {
		mine := e.organizations[0]
		for _, other := range ears {
			if o := other.organizations[0]; o != mine {
				never(r.t, mine, told[i], "for-"+o, `"organizationId":"`+o+`"`)
			}
		}
		if got := lines(told[i], `"type":"reset"`, `"reason":"moved"`); got != resets[mine] {
			r.t.Errorf("%s was told to refetch %d times, want %d of %d moves", mine, got, resets[mine], len(r.moves))
		}
		for _, text := range r.want {
			if strings.HasPrefix(text, "for-"+mine+" ") && lines(told[i], text) == 0 {
				r.t.Errorf("%s was not told %q, which was its own before and after", mine, text)
			}
		}
	}
	if r.t.Failed() {
		r.t.Fatalf("moves %v", r.moves)
	}
}
