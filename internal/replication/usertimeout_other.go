//go:build !linux

package replication

import "syscall"

// setUserTimeout does nothing: keepalive and the read timeout remain.
func setUserTimeout(_, _ string, _ syscall.RawConn) error { return nil }
