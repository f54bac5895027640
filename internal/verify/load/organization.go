package load

import (
	"context"
	"fmt"
	"slices"
)

func rename(ctx context.Context, w *writer) error {
	_, err := w.exec(ctx, `UPDATE organizations SET name = $2, updated_at = $3::text::timestamp(3) WHERE id = $1`, w.organization(), w.text(), times(w))
	return err
}

var plans = []string{"FREE", "STARTER", "PROFESSIONAL", "ENTERPRISE"}

func changePlan(ctx context.Context, w *writer) error {
	_, err := w.exec(ctx, `UPDATE organizations SET plan = $2::text::"OrganizationPlan" WHERE id = $1`, w.organization(), pick(w, plans...))
	return err
}

func changeSettings(ctx context.Context, w *writer) error {
	_, err := w.exec(ctx, `UPDATE organizations SET "isPersonal" = NOT "isPersonal" WHERE id = $1`, w.organization())
	return err
}

// changeAll is three events of one change.
func changeAll(ctx context.Context, w *writer) error {
	_, err := w.exec(ctx, `UPDATE organizations SET name = $2, "isPersonal" = NOT "isPersonal", plan = $3::text::"OrganizationPlan" WHERE id = $1`,
		w.organization(), w.text(), pick(w, plans...))
	return err
}

// touchOrganization changes what nobody is told.
func touchOrganization(ctx context.Context, w *writer) error {
	_, err := w.exec(ctx, `UPDATE organizations SET updated_at = $2::text::timestamp(3) WHERE id = $1`, w.organization(), times(w))
	return err
}

// doom deletes an organization with everything, or makes it again if it is not
// there; every second time both.
func doom(ctx context.Context, w *writer) error {
	id, both := pick(w, w.options.Doomed...), w.r.IntN(2) == 0
	gone, err := w.exec(ctx, `DELETE FROM organizations WHERE id = $1`, id)
	if err != nil || gone > 0 && !both {
		return err
	}
	if _, err := w.exec(ctx, `INSERT INTO organizations (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING`, id, w.text()); err != nil {
		return err
	}
	for _, m := range w.members {
		if m.Organization == id {
			if err := w.join(ctx, m, memberID(m)); err != nil {
				return err
			}
		}
	}
	return nil
}

func updateUser(ctx context.Context, w *writer) error {
	_, err := w.exec(ctx, `UPDATE users SET name = $2 WHERE id = $1`, w.user(), w.text())
	return err
}

func memberID(m Member) string { return "member_" + m.User + "_" + m.Organization }

func (w *writer) join(ctx context.Context, m Member, id string) error {
	_, err := w.exec(ctx, `INSERT INTO organization_members (id, "userId", "organizationId", role)
		SELECT $1::text, $2::text, o.id, $4::text::"UserRole" FROM organizations o WHERE o.id = $3 ON CONFLICT DO NOTHING`, id, m.User, m.Organization, m.Role)
	return err
}

func changeRole(ctx context.Context, w *writer) error {
	m := w.member()
	_, err := w.exec(ctx, `UPDATE organization_members SET role = $3::text::"UserRole" WHERE "userId" = $1 AND "organizationId" = $2`,
		m.User, m.Organization, pick(w, roles...))
	return err
}

// churned is a membership of somebody who comes and goes, and an id for it: the
// one that it had, or a new one.
func (w *writer) churned() (Member, string) {
	user := pick(w, w.options.Churn...)
	var list []Member
	for _, m := range w.members {
		if m.User == user {
			list = append(list, m)
		}
	}
	m := pick(w, list...)
	if w.r.IntN(3) == 0 {
		m.Role = pick(w, roles...)
	}
	id := memberID(m)
	if w.r.IntN(2) == 0 {
		id = fmt.Sprintf("%s_%d", id, w.r.Uint32())
	}
	return m, id
}

const removeMember = `DELETE FROM organization_members WHERE "userId" = $1 AND "organizationId" = $2`

func leaveOrganization(ctx context.Context, w *writer) error {
	m, _ := w.churned()
	_, err := w.exec(ctx, removeMember, m.User, m.Organization)
	return err
}

func joinOrganization(ctx context.Context, w *writer) error {
	m, id := w.churned()
	return w.join(ctx, m, id)
}

// joinAgain is a removal and a new membership in one transaction, or the other way
// round.
func joinAgain(ctx context.Context, w *writer) error {
	m, id := w.churned()
	steps := []func() error{
		func() error { _, err := w.exec(ctx, removeMember, m.User, m.Organization); return err },
		func() error { return w.join(ctx, m, id) },
	}
	if w.r.IntN(3) == 0 {
		slices.Reverse(steps)
	}
	if err := steps[0](); err != nil {
		return err
	}
	return steps[1]()
}

// changeOrganization is one row that becomes another membership.
func changeOrganization(ctx context.Context, w *writer) error {
	m, _ := w.churned()
	_, err := w.exec(ctx, `UPDATE organization_members m SET "organizationId" = o.id FROM organizations o
		WHERE m."userId" = $1 AND m."organizationId" = $2 AND o.id = $3
		AND NOT EXISTS (SELECT FROM organization_members n WHERE n."userId" = $1 AND n."organizationId" = $3)`, m.User, m.Organization, w.organization())
	return err
}

// assign gives a task to a member, to a stranger, or to nobody.
func assign(ctx context.Context, w *writer) error {
	id := w.id(tasks)
	switch w.r.IntN(6) {
	case 0:
		_, err := w.exec(ctx, `UPDATE tasks SET "assignedTo" = NULL WHERE id = $1`, id)
		return err
	case 1:
		_, err := w.exec(ctx, `UPDATE tasks SET "assignedTo" = $2 WHERE id = $1`, id, w.user())
		return err
	}
	_, err := w.exec(ctx, `UPDATE tasks t SET "assignedTo" = (SELECT m."userId" FROM organization_members m
		WHERE m."organizationId" = t."organizationId" AND m."userId" >= $2 ORDER BY m."userId" LIMIT 1) WHERE t.id = $1`, id, w.user())
	return err
}
