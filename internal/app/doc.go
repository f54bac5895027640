// Package app answers: in what order do the rooms open and close?
//
// It is the only place that knows them all. [App.Run] opens the listeners first,
// so that who asks is told what is going on; the [source] then opens log and
// slot, again and again until it works, and pumps the feed. On the way out the
// streams are told first, the slot is freed, the log closed last.
package app
