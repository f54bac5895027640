package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
)

// write runs f in a transaction whose changes bear the user's name: orgcast
// tells it as `updatedBy`.
func (a *application) write(r *http.Request, f func(ctx context.Context, tx pgx.Tx, user orgcast.UserID) error) error {
	user, err := a.user(r)
	if err != nil {
		return err
	}
	actor, err := codec.Marshal(map[string]orgcast.UserID{"userId": user})
	if err != nil {
		return fmt.Errorf("write actor: %w", err)
	}
	ctx := r.Context()
	return a.database.do(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_logical_emit_message(true, 'orgcast.actor', $1::text)", string(actor)); err != nil {
			return fmt.Errorf("name the actor: %w", err)
		}
		return f(ctx, tx, user)
	})
}

func (a *application) createProperty(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Description string `json:"description"`
		Price       string `json:"price"`
		Bedrooms    *int   `json:"bedrooms"`
	}
	if err := read(w, r, &body); err != nil {
		return err
	}
	e := edit{Description: &body.Description, Price: &body.Price, Bedrooms: body.Bedrooms}
	if err := e.check(); err != nil {
		return err
	}
	organization, id := r.PathValue("organization"), newID()
	var made property
	err := a.write(r, func(ctx context.Context, tx pgx.Tx, user orgcast.UserID) error {
		if err := organizationMember(ctx, tx, user, organization); err != nil {
			return err
		}
		if err := room(ctx, tx, maxProperties, `SELECT count(*) FROM properties WHERE "organizationId" = $1`, organization); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
INSERT INTO properties (id, description, price, bedrooms, "organizationId", "createdBy", "propertyType", status, "transactionType")
VALUES ($1, $2, $3::text::numeric, $4, $5, $6, 'APARTMENT', 'AVAILABLE', 'SALE')`, id, body.Description, body.Price, body.Bedrooms, organization, user); err != nil {
			return fmt.Errorf("create property: %w", err)
		}
		var err error
		made, err = readProperty(ctx, tx, id)
		return err
	})
	if err != nil {
		return err
	}
	return reply(w, http.StatusCreated, made)
}

func (a *application) updateProperty(w http.ResponseWriter, r *http.Request) error {
	var e edit
	if err := read(w, r, &e); err != nil {
		return err
	}
	if err := e.check(); err != nil {
		return err
	}
	id := r.PathValue("property")
	var now property
	err := a.write(r, func(ctx context.Context, tx pgx.Tx, user orgcast.UserID) error {
		if err := lockProperty(ctx, tx, user, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
UPDATE properties SET description = coalesce($2, description), price = coalesce($3::text::numeric, price), status = coalesce($4::text::"PropertyStatus", status),
  bedrooms = coalesce($5, bedrooms), updated_at = now() WHERE id = $1`, id, e.Description, e.Price, e.Status, e.Bedrooms); err != nil {
			return fmt.Errorf("update property: %w", err)
		}
		var err error
		now, err = readProperty(ctx, tx, id)
		return err
	})
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, now)
}

func (a *application) deleteProperty(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("property")
	err := a.write(r, func(ctx context.Context, tx pgx.Tx, user orgcast.UserID) error {
		if err := lockProperty(ctx, tx, user, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM properties WHERE id = $1", id); err != nil {
			return fmt.Errorf("delete property: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// moveProperty gives a property to another organization of the user's.
func (a *application) moveProperty(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		OrganizationID string `json:"organizationId"`
	}
	if err := read(w, r, &body); err != nil {
		return err
	}
	id := r.PathValue("property")
	err := a.write(r, func(ctx context.Context, tx pgx.Tx, user orgcast.UserID) error {
		if err := lockProperty(ctx, tx, user, id); err != nil {
			return err
		}
		if err := organizationMember(ctx, tx, user, body.OrganizationID); err != nil {
			return err
		}
		if err := room(ctx, tx, maxProperties, `SELECT count(*) FROM properties WHERE "organizationId" = $1`, body.OrganizationID); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE properties SET "organizationId" = $2, updated_at = now() WHERE id = $1`, id, body.OrganizationID); err != nil {
			return fmt.Errorf("move property: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// room fails with tooMany if a count has reached limit.
func room(ctx context.Context, tx pgx.Tx, limit int, count string, of any) error {
	var n int
	if err := tx.QueryRow(ctx, count, of).Scan(&n); err != nil {
		return fmt.Errorf("count: %w", err)
	}
	if n >= limit {
		return tooMany
	}
	return nil
}

func newID() string { return strings.ToLower(rand.Text()) }
