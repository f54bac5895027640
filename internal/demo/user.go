package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/session"
)

// person is a user as others see him.
type person struct {
	ID   orgcast.UserID `json:"id"`
	Name string         `json:"name"`
}

// belonging is an organization and what the user is in it.
type belonging struct {
	ID   orgcast.OrganizationID `json:"id"`
	Name string                 `json:"name"`
	Role string                 `json:"role"`
}

// account is a user with his organizations, by name.
type account struct {
	person
	Organizations []belonging `json:"organizations"`
}

const selectAccounts = `
SELECT u.id, coalesce(u.name, u.id), o.id, o.name, m.role::text
FROM users u JOIN organization_members m ON m."userId" = u.id JOIN organizations o ON o.id = m."organizationId"
WHERE $1 = '' OR u.id = $1
ORDER BY u.id, o.name
LIMIT 100`

// accounts are all users, or the one.
func accounts(ctx context.Context, tx pgx.Tx, one orgcast.UserID) ([]account, error) {
	rows, err := tx.Query(ctx, selectAccounts, one)
	if err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	all := []account{}
	var (
		p person
		b belonging
	)
	_, err = pgx.ForEachRow(rows, []any{&p.ID, &p.Name, &b.ID, &b.Name, &b.Role}, func() error {
		if len(all) == 0 || all[len(all)-1].ID != p.ID {
			all = append(all, account{person: p})
		}
		last := &all[len(all)-1]
		last.Organizations = append(last.Organizations, b)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	return all, nil
}

// users lists who can sign in: everybody, without a password. It is a demo.
func (a *application) users(w http.ResponseWriter, r *http.Request) error {
	var all []account
	err := a.database.do(r.Context(), func(tx pgx.Tx) (err error) {
		all, err = accounts(r.Context(), tx, "")
		return err
	})
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, all)
}

// me tells who is signed in.
func (a *application) me(w http.ResponseWriter, r *http.Request) error {
	user, err := a.user(r)
	if err != nil {
		return err
	}
	return a.replyAccount(w, r, user)
}

func (a *application) replyAccount(w http.ResponseWriter, r *http.Request, user orgcast.UserID) error {
	var one []account
	err := a.database.do(r.Context(), func(tx pgx.Tx) (err error) {
		one, err = accounts(r.Context(), tx, user)
		return err
	})
	switch {
	case err != nil:
		return err
	case len(one) == 0:
		return noAccess // in no organization at all
	}
	return reply(w, http.StatusOK, one[0])
}

// user is who the request's session says is asking.
func (a *application) user(r *http.Request) (orgcast.UserID, error) {
	principal, err := a.auth.Authenticate(r.Header["Cookie"], time.Now())
	if err != nil {
		return "", notSignedIn
	}
	return principal.User, nil
}

// signIn sets the cookie that Auth.js would set.
func (a *application) signIn(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		UserID orgcast.UserID `json:"userId"`
	}
	if err := read(w, r, &body); err != nil {
		return err
	}
	err := a.database.do(r.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(r.Context(), "SELECT id FROM users WHERE id = $1", body.UserID).Scan(&body.UserID)
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return notThere
	case err != nil:
		return err
	}
	line, err := a.auth.Mint(session.Grant{User: body.UserID, IssuedAt: time.Now(), Lifetime: sessionLifetime})
	if err != nil {
		return err
	}
	cookies, err := http.ParseCookie(line)
	if err != nil {
		return fmt.Errorf("read minted cookie: %w", err)
	}
	for _, c := range cookies {
		setCookie(w, c, int(sessionLifetime/time.Second))
	}
	return a.replyAccount(w, r, body.UserID)
}

// signOut takes it away.
func (a *application) signOut(w http.ResponseWriter, _ *http.Request) error {
	for _, name := range a.auth.Names() {
		setCookie(w, &http.Cookie{Name: name}, -1)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func setCookie(w http.ResponseWriter, c *http.Cookie, maxAge int) {
	c.Path, c.MaxAge = "/", maxAge
	c.HttpOnly, c.SameSite = true, http.SameSiteLaxMode
	http.SetCookie(w, c)
}
