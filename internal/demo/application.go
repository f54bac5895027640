package demo

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/oikion/orgcast/internal/session"
)

// application is the application in miniature: a page, a few calls that read and
// write rows, and orgcast behind /api/realtime/.
type application struct {
	database *database
	hosts    []string
	auth     *session.Authenticator
	log      *slog.Logger
	realtime *forward
	handler  http.Handler
}

// newApplication returns an application that answers to hosts, which are Host
// headers with their port.
func newApplication(database string, hosts []string, auth *session.Authenticator, log *slog.Logger) (*application, error) {
	d, err := newDatabase(database)
	if err != nil {
		return nil, err
	}
	a := &application{database: d, hosts: hosts, auth: auth, log: log, realtime: newForward(log)}
	// Only the own page may write: a browser tells where a request comes from.
	own := http.NewCrossOriginProtection()
	own.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.answer(w, r, notOwnPage)
	}))
	a.handler = own.Handler(a.routes())
	return a, nil
}

// forwardTo says where orgcast listens.
func (a *application) forwardTo(address net.Addr) { a.realtime.to(address) }

// policy lets the page load its own files and nothing else. Text becomes markup
// nowhere: a browser that knows trusted types refuses the attempt.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
	"form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// ServeHTTP answers a request.
func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	// Or a page elsewhere could reach the application, as its own origin, by a
	// name that it points to loopback.
	if !slices.Contains(a.hosts, r.Host) {
		a.answer(w, r, unknownHost)
		return
	}
	a.handler.ServeHTTP(w, r)
}

// close frees the connections, to the database and to orgcast.
func (a *application) close() error {
	a.realtime.close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return a.database.close(ctx)
}
