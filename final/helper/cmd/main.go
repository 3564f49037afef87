//go:build linux

// Final-helper is the second program of final. final starts it: see package helper.
package main

import (
	"os"

	"container-workshop/final/helper"
)

func main() {
	os.Exit(helper.Main(os.Args[1:]))
}
