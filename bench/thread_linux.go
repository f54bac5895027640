package main

import (
	"errors"
	"runtime"
	"syscall"
	"time"
)

// threadTime is the CPU time that fn takes on its thread.
func threadTime(fn func() error) (time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := threadUsed()
	if err != nil {
		return 0, err
	}
	err = fn()
	after, usedErr := threadUsed()
	return after - before, errors.Join(err, usedErr)
}

func threadUsed() (time.Duration, error) {
	const thread = 1 // RUSAGE_THREAD
	var u syscall.Rusage
	err := syscall.Getrusage(thread, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}
