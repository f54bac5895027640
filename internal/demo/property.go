package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
)

// property is a property as the page sees it. Its values look as they do in
// events.
type property struct {
	ID          string    `json:"id"`
	Description string    `json:"description"`
	Price       string    `json:"price"`
	Status      string    `json:"status"`
	Bedrooms    *int      `json:"bedrooms"`
	Kind        string    `json:"propertyType"`
	Notes       codec.Raw `json:"notes"`
}

const selectProperties = `
SELECT p.id, coalesce(p.description, ''), trim_scale(p.price)::text, p.status::text, p.bedrooms, p."propertyType"::text,
  coalesce((SELECT jsonb_agg(jsonb_build_object('id', n.id, 'content', n.content, 'createdBy', n."createdBy") ORDER BY n.created_at, n.id)
    FROM notes n WHERE n."propertyId" = p.id), '[]')::text
FROM properties p
WHERE `

func scanProperty(row pgx.CollectableRow) (p property, err error) {
	var notes string
	err = row.Scan(&p.ID, &p.Description, &p.Price, &p.Status, &p.Bedrooms, &p.Kind, &notes)
	p.Notes = codec.Raw(notes)
	return p, err
}

// organizationMember fails with noAccess unless there is a membership row.
func organizationMember(ctx context.Context, tx pgx.Tx, user orgcast.UserID, organization string) error {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM organization_members WHERE "userId" = $1 AND "organizationId" = $2`, user, organization).Scan(&n)
	switch {
	case err != nil:
		return fmt.Errorf("read membership: %w", err)
	case n == 0:
		return noAccess
	}
	return nil
}

// lockProperty fails with notThere unless the property is of an organization of
// the user's.
func lockProperty(ctx context.Context, tx pgx.Tx, user orgcast.UserID, id string) error {
	err := tx.QueryRow(ctx, `
SELECT p.id FROM properties p JOIN organization_members m ON m."organizationId" = p."organizationId"
WHERE p.id = $1 AND m."userId" = $2 FOR UPDATE OF p`, id, user).Scan(&id)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return notThere
	case err != nil:
		return fmt.Errorf("read property: %w", err)
	}
	return nil
}

// board is what the page shows of an organization.
type board struct {
	Properties []property `json:"properties"`
	Members    []person   `json:"members"`
}

func (a *application) listProperties(w http.ResponseWriter, r *http.Request) error {
	user, err := a.user(r)
	if err != nil {
		return err
	}
	ctx, organization := r.Context(), r.PathValue("organization")
	var b board
	err = a.database.do(ctx, func(tx pgx.Tx) error {
		if err := organizationMember(ctx, tx, user, organization); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, selectProperties+`p."organizationId" = $1 ORDER BY p.created_at, p.id LIMIT $2`, organization, maxProperties)
		if err != nil {
			return fmt.Errorf("read properties: %w", err)
		}
		if b.Properties, err = pgx.CollectRows(rows, scanProperty); err != nil {
			return fmt.Errorf("read properties: %w", err)
		}
		rows, err = tx.Query(ctx, `
SELECT u.id, coalesce(u.name, u.id) FROM users u JOIN organization_members m ON m."userId" = u.id WHERE m."organizationId" = $1 ORDER BY u.id LIMIT 100`, organization)
		if err != nil {
			return fmt.Errorf("read members: %w", err)
		}
		if b.Members, err = pgx.CollectRows(rows, pgx.RowToStructByPos[person]); err != nil {
			return fmt.Errorf("read members: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, b)
}

func readProperty(ctx context.Context, tx pgx.Tx, id string) (property, error) {
	rows, err := tx.Query(ctx, selectProperties+"p.id = $1", id)
	if err != nil {
		return property{}, fmt.Errorf("read property: %w", err)
	}
	p, err := pgx.CollectExactlyOneRow(rows, scanProperty)
	if err != nil {
		return property{}, fmt.Errorf("read property: %w", err)
	}
	return p, nil
}
