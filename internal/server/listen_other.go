//go:build !linux

package server

import (
	"syscall"
	"time"
)

// setSocket sets nothing: keepalive and the write timeout remain.
func setSocket(time.Duration) func(network, address string, raw syscall.RawConn) error { return nil }
