//go:build unix

package doctor

import "syscall"

// writable asks the system without writing.
func writable(dir string) bool {
	const writeAndSearch = 0x2 | 0x1 // W_OK | X_OK
	return syscall.Access(dir, writeAndSearch) == nil
}
