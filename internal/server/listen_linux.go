package server

import (
	"errors"
	"syscall"
	"time"
)

// Of linux/tcp.h; package syscall does not name them.
const (
	tcpUserTimeout  = 18
	tcpNotSentLowat = 25
)

// setSocket sets what the sockets of accepted connections inherit.
func setSocket(dead time.Duration) func(network, address string, raw syscall.RawConn) error {
	return func(_, _ string, raw syscall.RawConn) error {
		var set error
		err := raw.Control(func(fd uintptr) {
			set = errors.Join(
				syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(dead.Milliseconds())),
				syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowat, unsentBytes),
			)
		})
		return errors.Join(err, set)
	}
}
