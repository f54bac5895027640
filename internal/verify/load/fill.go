package load

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Fill fills the empty schema: users, organizations, memberships, and about half
// of the rows for which there are keys.
func (l *Load) Fill(ctx context.Context) error {
	w := l.writer(1 << 34)
	defer w.close(ctx)
	if err := w.connect(ctx); err != nil {
		return err
	}
	if err := w.transaction(ctx, w.people); err != nil {
		return fmt.Errorf("fill the tables of people: %w", err)
	}
	for _, t := range tables {
		if err := w.transaction(ctx, func(ctx context.Context) error { return w.half(ctx, t) }); err != nil {
			return fmt.Errorf("fill %s: %w", t.name, err)
		}
	}
	return nil
}

func (w *writer) people(ctx context.Context) error {
	var b pgx.Batch
	for i := range w.options.Organizations {
		b.Queue(`INSERT INTO organizations (id, name, plan) VALUES ($1, $2, $3::text::"OrganizationPlan")`, fmt.Sprintf("org_%d", i), fmt.Sprintf("Organization %d", i), pick(w, plans...))
	}
	for i := range w.options.Users {
		b.Queue(`INSERT INTO users (id, name, email) VALUES ($1, $2, $3)`, fmt.Sprintf("user_%d", i), w.text(), fmt.Sprintf("user_%d@example.com", i))
	}
	for _, m := range w.members {
		b.Queue(`INSERT INTO organization_members (id, "userId", "organizationId", role) VALUES ($1, $2, $3, $4::text::"UserRole")`, memberID(m), m.User, m.Organization, m.Role)
	}
	return w.tx.SendBatch(ctx, &b).Close()
}

func (w *writer) half(ctx context.Context, t *table) error {
	var b pgx.Batch
	for n := range w.space(t) {
		if w.r.IntN(2) == 0 {
			continue
		}
		sql, a := t.insertion(w, key(t.name, n), leave)
		b.Queue(sql, a...)
	}
	if b.Len() == 0 {
		return nil
	}
	return w.tx.SendBatch(ctx, &b).Close()
}
