// Package wire is a TCP proxy that can be as bad as a network: it cuts
// connections, delays and throttles them, and swallows bytes without a word, as a
// half-open connection does.
package wire
