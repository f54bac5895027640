//go:build !linux

package cluster

import (
	"os"
	"syscall"
)

// Off Linux there is no parent-death signal, and nobody runs this as root: a
// killed parent leaves its server running, and its directory behind.

func serverAttr(*account) *syscall.SysProcAttr { return nil }

func toolAttr(*account) *syscall.SysProcAttr { return nil }

func owns(os.FileInfo, *account) bool { return false }

func makeOwnedDir(parent string) (string, func() error, error) {
	dir, err := os.MkdirTemp(parent, "orgcast-pg-")
	return dir, func() error { return nil }, err
}

func sweep(string) {}
