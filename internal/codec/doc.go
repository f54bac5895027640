// Package codec answers: does this JSON say what the reader thinks it says?
//
// It is the one place of the house that uses encoding/json, so that its next
// version changes one file. For what strangers send there is [Unmarshal]: the
// library alone is lenient where a check can be slipped past: a member that comes twice (two readers take
// different ones), one that is spelled differently, one that nobody knows, text
// behind the end. There each of these is an error. What goes on the wire to
// browsers is not its matter: see package sse.
package codec
