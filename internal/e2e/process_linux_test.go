package e2e_test

import "syscall"

// dieWithUs ends a process when the thread that started it ends: a test binary
// that is killed leaves none behind.
func dieWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
