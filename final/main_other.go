//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "Containers are made of Linux: run this in a Linux virtual machine.")
	os.Exit(125)
}
