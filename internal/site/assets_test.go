package site

import (
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A virtual machine shares build/npm with its host, which may have another system or another processor.
func TestTheSearchNeedsTheProgramOfThisMachine(t *testing.T) {
	machines := map[string]string{"amd64": "linux-x64", "arm64": "linux-arm64"}
	modules := t.TempDir()
	add := func(machine string) string {
		program := filepath.Join(modules, "node_modules/@pagefind", machine, "bin/pagefind_extended")
		require.NoError(t, writeFile(program, nil))
		require.NoError(t, writeFile(program+".sha256", nil))
		return program
	}
	for processor, machine := range machines {
		if processor != runtime.GOARCH {
			add(machine)
		}
	}
	add("darwin-x64")
	assert.Empty(t, pagefind(modules))
	assert.Equal(t, add(machines[runtime.GOARCH]), pagefind(modules))
}
