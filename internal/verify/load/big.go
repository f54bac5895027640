package load

import (
	"context"
	"fmt"
)

// bigs are rows by the thousand; $1 is how many, $2 the organization, $3 a text,
// $4 a user.
var bigs = []struct{ table, insert string }{
	{"clients", `INSERT INTO clients (id, name, "organizationId", "createdBy", "clientType")
		SELECT 'big_' || o.id || '_' || n, $3::text || n, o.id, $4::text, 'COMPANY' FROM organizations o, generate_series(1, $1::text::int) n WHERE o.id = $2::text
		ON CONFLICT (id) DO UPDATE SET name = excluded.name`},
	{"notes", `INSERT INTO notes (id, content, "propertyId", "createdBy")
		SELECT 'big_' || p."organizationId" || '_' || n, $3::text || n, p.id, $4::text
		FROM (SELECT * FROM properties WHERE "organizationId" = $2::text ORDER BY id LIMIT 1) p, generate_series(1, $1::text::int) n
		ON CONFLICT (id) DO UPDATE SET content = excluded.content, "propertyId" = excluded."propertyId"`},
	{"media_assets", `INSERT INTO media_assets (id, url, "propertyId", "assetType")
		SELECT 'big_' || p."organizationId" || '_' || n, $3::text || n, p.id, 'IMAGE'
		FROM (SELECT * FROM properties WHERE "organizationId" = $2::text ORDER BY id LIMIT 1) p, generate_series(1, $1::text::int) n
		WHERE $4::text IS NOT NULL -- nobody makes an asset
		ON CONFLICT (id) DO UPDATE SET url = excluded.url, "propertyId" = excluded."propertyId"`},
	// Of all organizations, in turns.
	{"clients", `INSERT INTO clients (id, name, "organizationId", "createdBy", "clientType")
		SELECT 'big_all_' || n, $3::text || n, o.id, $4::text, 'COMPANY'
		FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS of FROM organizations WHERE id <> $2::text) o
		JOIN generate_series(1, $1::text::int) n ON n % o.of = o.place ORDER BY n
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, "organizationId" = excluded."organizationId"`},
}

// big writes many rows at once: inserts them, or changes those that are there. One
// time in three they are all deleted before.
func (w *writer) big(ctx context.Context, rows int) error {
	b := bigs[w.r.IntN(len(bigs))]
	if w.r.IntN(3) == 0 {
		if _, err := w.exec(ctx, `DELETE FROM `+b.table+` WHERE starts_with(id, 'big_')`); err != nil {
			return err
		}
	}
	_, err := w.exec(ctx, b.insert, fmt.Sprint(rows), w.organization(), w.text(), w.user())
	return err
}

// Burst commits one transaction of about that many changes, on a connection of its
// own, whether the writers pause or not. The rows are of one organization, or of
// all; none if there is no property to hang them on.
func (l *Load) Burst(ctx context.Context, rows int) error {
	l.mu.Lock()
	l.bursts++
	w := l.writer(1<<33 + l.bursts)
	l.mu.Unlock()
	defer w.close(ctx)
	if err := w.connect(ctx); err != nil {
		return err
	}
	return w.transaction(ctx, func(ctx context.Context) error {
		w.kind = "burst"
		return w.big(ctx, rows)
	})
}
