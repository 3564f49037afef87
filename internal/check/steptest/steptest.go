//go:build linux

// Package steptest compares a step with the table of properties, in go test.
package steptest

import (
	"errors"
	"flag"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/internal/check"
	"container-workshop/internal/needs"
)

// asProgram is set in the environment of a test binary that should run as the program that it tests.
const asProgram = "WORKSHOP_AS_PROGRAM"

// Main is the TestMain of a step. If a test starts the test binary, Main runs the step's own main. So the tests need no
// compiler.
func Main(m *testing.M, program func()) {
	if os.Getenv(asProgram) != "" {
		program()
		return
	}
	// Parallel tests wait most of the time, so each of several processors can take two of them. The flag -parallel has the last word.
	if processors := runtime.GOMAXPROCS(0); processors > 1 {
		if err := flag.Set("test.parallel", strconv.Itoa(2*processors)); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// programOf returns the program under test: the test binary, as a program of the step.
func programOf(t *testing.T, step int) *check.Program {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	return &check.Program{Path: path, Step: step, Rootfs: needs.Rootfs(t), Env: []string{asProgram + "=1"}, Few: testing.Short()}
}

// Step asserts that the program has the properties of all steps up to its own, and none of the later ones. The flags are for every
// container. Most checks spend their time waiting, so several run at the same time, as in check.Examine.
func Step(t *testing.T, step int, flags ...string) {
	program := programOf(t, step)
	program.Flags = flags
	for _, property := range check.Properties {
		if property.Step <= step {
			t.Run(property.Name, func(t *testing.T) {
				besideOthers(t, property)
				assert.NoError(t, property.Check(program), property.Where)
			})
			continue
		}
		t.Run("not yet: "+property.Name, func(t *testing.T) {
			besideOthers(t, property)
			err := property.Check(program)
			assert.Error(t, err)
			assert.False(t, errors.Is(err, check.ErrUnclear), "%v", err)
		})
	}
}

// besideOthers lets the check of a property run beside the checks of others, unless the others would disturb it.
func besideOthers(t *testing.T, property check.Property) {
	if !property.Alone {
		t.Parallel()
	}
}
