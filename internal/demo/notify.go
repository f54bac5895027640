package demo

import (
	"context"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
)

// notification is what an application says to one user through orgcast: the
// `notification.new` of the contract.
type notification struct {
	Type         string `json:"type"`
	Organization string `json:"organizationId"`
	Payload      struct {
		User     orgcast.UserID `json:"userId"`
		Title    string         `json:"title"`
		Message  string         `json:"message"`
		Priority string         `json:"priority"`
		Category string         `json:"category"`
		Metadata struct {
			From orgcast.UserID `json:"from"`
		} `json:"metadata"`
	} `json:"payload"`
}

// notify tells one member of an organization something, in a transaction as any
// other: a message in the write-ahead log, in no table.
func (a *application) notify(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		UserID orgcast.UserID `json:"userId"`
		Text   string         `json:"text"`
	}
	if err := read(w, r, &body); err != nil {
		return err
	}
	if !plain(&body.Text, maxNotification) {
		return invalid("A notification has 1 to 140 letters, in one line.")
	}
	organization := r.PathValue("organization")
	err := a.write(r, func(ctx context.Context, tx pgx.Tx, user orgcast.UserID) error {
		if err := organizationMember(ctx, tx, user, organization); err != nil {
			return err
		}
		if err := organizationMember(ctx, tx, body.UserID, organization); err == noAccess {
			return notThere
		} else if err != nil {
			return err
		}
		n := notification{Type: orgcast.NotificationNew.String(), Organization: organization}
		n.Payload.User, n.Payload.Title, n.Payload.Priority, n.Payload.Category = body.UserID, body.Text, "medium", "message"
		n.Payload.Metadata.From = user
		text, err := codec.Marshal(n)
		if err != nil {
			return fmt.Errorf("write notification: %w", err)
		}
		if _, err := tx.Exec(ctx, "SELECT pg_logical_emit_message(true, 'orgcast', $1::text)", string(text)); err != nil {
			return fmt.Errorf("emit notification: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
