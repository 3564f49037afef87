//go:build linux

package vm_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestOnlyMachinesThatThereAreAreMade(t *testing.T) {
	for _, c := range []struct{ layout, arch, line string }{
		{"v3", "amd64", "vm: LAYOUT=v3: want v2, hybrid or v1\n"},
		{"", "amd64", "vm: LAYOUT=: want v2, hybrid or v1\n"},
		{"v2", "riscv64", "vm: ARCH=riscv64: want amd64 or arm64\n"},
	} {
		cmd := exec.Command("./test.sh", c.layout, c.arch)
		output, err := cmd.CombinedOutput()
		assert.Error(t, err)
		assert.Equal(t, 2, cmd.ProcessState.ExitCode())
		assert.Equal(t, c.line, string(output))
	}
}
