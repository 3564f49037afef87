//go:build linux

package main

import (
	"os"
	"testing"

	"container-workshop/internal/check/steptest"
)

// TestMain makes the test binary the program, also as process 1 in a container, where the environment is the container's.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "init" {
		main()
	}
	if len(os.Args) > 2 && os.Args[1] == "attack" {
		os.Exit(attack(os.Args[2:]))
	}
	interrupt()
	steptest.Main(m, main)
}

func TestHasEveryPropertyOfTheSteps(t *testing.T) {
	steptest.Step(t, 7, "--env", "CHECK_MARK", "--env", "PS1")
}
