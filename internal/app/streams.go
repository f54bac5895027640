package app

import (
	"net/http"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/delivery"
	"github.com/oikion/orgcast/internal/hub"
	"github.com/oikion/orgcast/internal/server"
)

// sessionTolerance is what the end of a session that is all in the cookie is
// taken to be late by, as Auth.js takes it: clocks differ. That of a session in
// the database is taken at its word, again as Auth.js does.
const sessionTolerance = 15 * time.Second

// streams fits hub and driver to the server.
type streams struct {
	hub    *hub.Hub
	source *source
	driver *delivery.Handler
}

// Register registers a stream with the hub.
func (s streams) Register(q server.StreamRequest) server.Registration {
	return &registration{s.driver, s.hub.Register(spec(q))}
}

// spec is what is asked for, in the hub's words.
func spec(q server.StreamRequest) hub.Spec {
	expires := q.Principal.ExpiresAt
	if q.Principal.Session.IsZero() {
		expires = expires.Add(sessionTolerance)
	}
	return hub.Spec{
		User: q.Principal.User, Scope: q.Principal.Scope, Session: q.Principal.Session, Organizations: q.Organizations, Filter: q.Filter,
		Resume: q.Resume.Cursor, HasResume: q.Resume.Present, Malformed: q.Resume.Malformed,
		ExpiresAt: expires,
	}
}

type registration struct {
	driver *delivery.Handler
	stream *hub.Stream
}

// Serve starts the stream and drives it until it is over.
func (r *registration) Serve(w http.ResponseWriter, q *http.Request, members []orgcast.Membership) {
	wake := newWake()
	r.stream.Start(members, time.Now(), wake.wake)
	r.driver.Serve(w, q, r.stream, wake)
}

// Close takes the stream off the hub.
func (r *registration) Close() { r.stream.Close() }

// wake wakes a driver.
type wake chan struct{}

func newWake() wake { return make(wake, 1) }

func (w wake) wake() {
	select {
	case w <- struct{}{}:
	default: // awake already
	}
}
