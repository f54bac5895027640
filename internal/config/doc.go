// Package config answers: what can be set, and is it valid?
//
// Everything is set by environment variables; [Config] is the list. Loading is
// strict: a variable of orgcast's own that is not known, or a value that is not
// valid, is an error that names the variable, what is wrong and what to write
// instead. No error holds a secret's value.
//
// The session's variables (AUTH_SECRET and its kin) are read by the session
// room.
package config
