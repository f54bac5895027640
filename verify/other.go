//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "verify runs on Linux: it needs /proc and loop devices")
	os.Exit(2)
}
