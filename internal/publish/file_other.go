//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package publish

import "os"

// permissionsCount tells that a file's mode says who can write it.
const permissionsCount = false

// tryLock has no lock to take on this system: two commands that alter the file
// of keys at once can lose one's work. Readers are safe all the same.
func tryLock(*os.File) (taken bool, err error) { return true, nil }

func keepOwner(*os.File, string) error { return nil }

func syncDirectory(string) error { return nil }
