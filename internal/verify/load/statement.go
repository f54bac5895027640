package load

import (
	"context"
	"fmt"
	"strings"
)

// args are a statement's parameters.
type args []any

// add adds one and returns how the statement names it.
func (a *args) add(v any, typ string) string {
	if n, ok := v.(uint64); ok {
		v = fmt.Sprint(n)
	}
	*a = append(*a, v)
	return fmt.Sprintf("$%d::text::%s", len(*a), typ)
}

type do = func(context.Context, *writer) error

// conflict is what an insert does about a key that is there.
type conflict int

const (
	leave conflict = iota
	overwrite
	fail
)

// insertion is the insert of a row with the key id.
func (t *table) insertion(w *writer, id string, c conflict) (sql string, a args) {
	names, values := []string{"id"}, []string{a.add(id, "text")}
	for _, column := range t.columns {
		names, values = append(names, `"`+column.name+`"`), append(values, a.add(column.draw(w), column.typ))
	}
	p := t.parents(w, &a)
	sql = `INSERT INTO ` + t.name + ` (` + strings.Join(names, ", ") + `, ` + p.columns + `) SELECT ` + strings.Join(values, ", ") + `, ` + p.values + ` FROM ` + p.from
	switch c {
	case leave:
		sql += ` ON CONFLICT DO NOTHING`
	case overwrite:
		c := t.columns[w.r.IntN(len(t.columns))].name
		d := t.columns[0].name
		sql += ` ON CONFLICT (` + t.unique + `) DO UPDATE SET "` + d + `" = excluded."` + d + `"`
		if c != d {
			sql += `, "` + c + `" = excluded."` + c + `"`
		}
	}
	return sql, a
}

func insert(t *table, c conflict) do {
	return func(ctx context.Context, w *writer) error {
		sql, a := t.insertion(w, w.id(t), c)
		_, err := w.exec(ctx, sql, a...)
		return err
	}
}

// update changes one to three columns, of one row, or of a few.
func update(t *table) do {
	return func(ctx context.Context, w *writer) error {
		var a args
		var set []string
		for _, i := range w.r.Perm(len(t.columns))[:min(len(t.columns), 1+w.r.IntN(3))] {
			if c := t.columns[i]; !c.fixed || len(set) == 0 && w.r.IntN(4) == 0 {
				set = append(set, `"`+c.name+`" = `+a.add(c.draw(w), c.typ))
			}
		}
		if len(set) == 0 {
			c := t.columns[0]
			set = append(set, `"`+c.name+`" = `+a.add(c.draw(w), c.typ))
		}
		where := `id = ` + a.add(w.id(t), "text")
		if w.r.IntN(8) == 0 {
			where += ` OR id = ` + a.add(w.id(t), "text") + ` OR id = ` + a.add(w.id(t), "text")
		}
		_, err := w.exec(ctx, `UPDATE `+t.name+` SET `+strings.Join(set, ", ")+` WHERE `+where, a...)
		return err
	}
}

// same is an update that changes nothing.
func same(t *table) do {
	return func(ctx context.Context, w *writer) error {
		c := t.columns[w.r.IntN(len(t.columns))].name
		_, err := w.exec(ctx, `UPDATE `+t.name+` SET "`+c+`" = "`+c+`" WHERE id = $1`, w.id(t))
		return err
	}
}

// remove deletes a row, with what hangs on it.
func remove(t *table) do {
	return func(ctx context.Context, w *writer) error {
		_, err := w.exec(ctx, `DELETE FROM `+t.name+` WHERE id = $1`, w.id(t))
		return err
	}
}

// again deletes a row and inserts another with its key; or the other way round.
func again(t *table) do {
	return func(ctx context.Context, w *writer) error {
		id := w.id(t)
		sql, a := t.insertion(w, id, leave)
		first := w.r.IntN(3) == 0
		if first {
			if _, err := w.exec(ctx, sql, a...); err != nil {
				return err
			}
		}
		if _, err := w.exec(ctx, `DELETE FROM `+t.name+` WHERE id = $1`, id); err != nil || first {
			return err
		}
		_, err := w.exec(ctx, sql, a...)
		return err
	}
}

// rekey gives a row another key.
func rekey(t *table) do {
	return func(ctx context.Context, w *writer) error {
		_, err := w.exec(ctx, `UPDATE `+t.name+` SET id = $2 WHERE id = $1 AND NOT EXISTS (SELECT FROM `+t.name+` WHERE id = $2)`, w.id(t), w.id(t))
		return err
	}
}

// move gives a row to an organization, with what hangs on it.
func move(t *table) do {
	return func(ctx context.Context, w *writer) error {
		_, err := w.exec(ctx, `UPDATE `+t.name+` SET "organizationId" = o.id FROM organizations o WHERE `+t.name+`.id = $1 AND o.id = $2`, w.id(t), w.organization())
		return err
	}
}

// reparent hangs a row on other parents.
func reparent(t *table) do {
	return func(ctx context.Context, w *writer) error {
		var a args
		id := a.add(w.id(t), "text")
		p := t.parents(w, &a)
		_, err := w.exec(ctx, `UPDATE `+t.name+` SET (`+p.columns+`) = (SELECT `+p.values+` FROM `+p.from+`) WHERE id = `+id+` AND EXISTS (SELECT FROM `+p.from+`)`, a...)
		return err
	}
}

// truncate empties a table on which nothing hangs.
func truncate(list ...*table) do {
	return func(ctx context.Context, w *writer) error {
		if _, err := w.tx.Exec(ctx, `SET LOCAL lock_timeout = '300ms'`); err != nil {
			return err
		}
		_, err := w.exec(ctx, `TRUNCATE `+pick(w, list...).name)
		return err
	}
}
