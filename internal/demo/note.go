package demo

import (
	"context"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
)

// note is a note on a property. Whose it is, its property tells.
type note struct {
	ID        string         `json:"id"`
	Content   string         `json:"content"`
	CreatedBy orgcast.UserID `json:"createdBy"`
}

func (a *application) createNote(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Content string `json:"content"`
	}
	if err := read(w, r, &body); err != nil {
		return err
	}
	if !plain(&body.Content, maxNote) {
		return invalid("A note has 1 to 280 letters, in one line.")
	}
	property, made := r.PathValue("property"), note{ID: newID(), Content: body.Content}
	err := a.write(r, func(ctx context.Context, tx pgx.Tx, user orgcast.UserID) error {
		if err := lockProperty(ctx, tx, user, property); err != nil {
			return err
		}
		if err := room(ctx, tx, maxNotes, `SELECT count(*) FROM notes WHERE "propertyId" = $1`, property); err != nil {
			return err
		}
		made.CreatedBy = user
		if _, err := tx.Exec(ctx, `INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ($1, $2, $3, $4)`, made.ID, made.Content, property, user); err != nil {
			return fmt.Errorf("create note: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return reply(w, http.StatusCreated, made)
}

func (a *application) deleteNote(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("note")
	err := a.write(r, func(ctx context.Context, tx pgx.Tx, user orgcast.UserID) error {
		done, err := tx.Exec(ctx, `
DELETE FROM notes n USING properties p JOIN organization_members m ON m."organizationId" = p."organizationId"
WHERE n.id = $1 AND p.id = n."propertyId" AND m."userId" = $2`, id, user)
		switch {
		case err != nil:
			return fmt.Errorf("delete note: %w", err)
		case done.RowsAffected() == 0:
			return notThere
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
