//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "Containers are made of Linux: vagrant up makes a machine with it (README.md, Get a machine).")
	os.Exit(125)
}
