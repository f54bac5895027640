package demo

import "net/http"

// routes is all that can be asked for.
func (a *application) routes() http.Handler {
	mux := http.NewServeMux()
	for path, file := range pages {
		mux.Handle("GET "+path, file)
	}
	call := func(pattern string, h handler) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { a.answer(w, r, h(w, r)) })
	}
	call("GET /api/users", a.users)
	call("POST /api/session", a.signIn)
	call("DELETE /api/session", a.signOut)
	call("GET /api/me", a.me)
	call("GET /api/organizations/{organization}/properties", a.listProperties)
	call("POST /api/organizations/{organization}/properties", a.createProperty)
	call("POST /api/organizations/{organization}/notifications", a.notify)
	call("PATCH /api/properties/{property}", a.updateProperty)
	call("DELETE /api/properties/{property}", a.deleteProperty)
	call("POST /api/properties/{property}/move", a.moveProperty)
	call("POST /api/properties/{property}/notes", a.createNote)
	call("DELETE /api/notes/{note}", a.deleteNote)
	mux.Handle("/api/realtime/", a.realtime)
	return mux
}
