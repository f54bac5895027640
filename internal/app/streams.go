package app

import (
	"net/http"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/delivery"
	"github.com/oikion/orgcast/internal/hub"
	"github.com/oikion/orgcast/internal/server"
)

// sessionTolerance is what a session's end is taken to be late by: clocks
// differ.
const sessionTolerance = 15 * time.Second

// streams fits hub and driver to the server.
type streams struct {
	hub    *hub.Hub
	driver *delivery.Handler
}

// Register registers a stream with the hub.
func (s streams) Register(q server.StreamRequest) server.Registration {
	return &registration{s.driver, s.hub.Register(spec(q))}
}

// spec is what is asked for, in the hub's words.
func spec(q server.StreamRequest) hub.Spec {
	return hub.Spec{
		User: q.Principal.User, Scope: q.Principal.Scope, Organizations: q.Organizations, Filter: q.Filter,
		Resume: q.Resume.Cursor, HasResume: q.Resume.Present, Malformed: q.Resume.Malformed,
		ExpiresAt: q.Principal.ExpiresAt.Add(sessionTolerance),
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
