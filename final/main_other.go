//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "final needs Linux: vagrant up makes a Linux machine (see README.md, Get a machine).")
	os.Exit(125)
}
