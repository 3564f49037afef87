//go:build linux

// Package steptest holds a step to the table of properties, in go test.
package steptest

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/internal/check"
)

// asProgram is in the environment of a test binary that is to be the program it tests.
const asProgram = "WORKSHOP_AS_PROGRAM"

// Main is the TestMain of a step. It makes the test binary run the step's own main when a test starts it, so that no
// compiler is needed where the tests run.
func Main(m *testing.M, program func()) {
	if os.Getenv(asProgram) != "" {
		program()
		return
	}
	os.Exit(m.Run())
}

// programOf returns the program under test: the test binary, as a program of the step.
func programOf(t *testing.T, step int) *check.Program {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	return &check.Program{Path: path, Step: step, Rootfs: NeedRootfs(t), Env: []string{asProgram + "=1"}, Few: testing.Short()}
}

// NeedRootfs returns the root file system of the tests, or skips what needs it.
func NeedRootfs(t testing.TB) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: make test")
	}
	rootfs := os.Getenv("ROOTFS")
	if rootfs == "" {
		rootfs = check.DefaultRootfs
	}
	if _, err := os.Stat(rootfs); err != nil {
		t.Skipf("needs a root file system: make rootfs: %v", err)
	}
	return rootfs
}

// Step asserts that the program has the properties of the steps up to its own, and none of those of the later ones. The flags
// are for every container.
func Step(t *testing.T, step int, flags ...string) {
	program := programOf(t, step)
	program.Flags = flags
	for _, property := range check.Properties {
		if property.Step <= step {
			t.Run(property.Name, func(t *testing.T) {
				assert.NoError(t, property.Check(program), property.Where)
			})
			continue
		}
		t.Run("not yet: "+property.Name, func(t *testing.T) {
			err := property.Check(program)
			assert.Error(t, err)
			assert.False(t, errors.Is(err, check.ErrUnclear), "%v", err)
		})
	}
}
