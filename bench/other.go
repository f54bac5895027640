//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: needs Linux, which tells a process's memory and CPU in /proc")
	os.Exit(1)
}
