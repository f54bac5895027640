// Package delivery answers: how do bytes reach many sockets?
//
// A driver serves a [hub.Stream]: it steps it, writes what the step hands out,
// and sleeps until it is woken or the step's time has come. The stream does not
// know its driver, owns no goroutine and no timer, so that a driver without
// goroutines can take [Handler]'s place.
package delivery
