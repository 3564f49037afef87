//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "Containers are made of Linux. Run this in the virtual machine: vagrant up, then vagrant ssh.")
	os.Exit(125)
}
