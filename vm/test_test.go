//go:build linux

package vm_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestUnknownMachinesAreRefused(t *testing.T) {
	for _, c := range []struct{ script, layout, more, line string }{
		{"./test.sh", "v3", "amd64", "vm: LAYOUT=v3: want v2, hybrid or v1\n"},
		{"./test.sh", "", "amd64", "vm: LAYOUT=: want v2, hybrid or v1\n"},
		{"./test.sh", "v2", "riscv64", "vm: ARCH=riscv64: want amd64 or arm64\n"},
		{"./systemd.sh", "v3", "", "vm: LAYOUT=v3: want v2, hybrid or v1\n"},
		{"./systemd.sh", "v2", "lxc", "vm: ENGINE=lxc: want podman, podman-rootless, containerd or docker\n"},
	} {
		cmd := exec.Command(c.script, c.layout, c.more)
		output, err := cmd.CombinedOutput()
		assert.Error(t, err)
		assert.Equal(t, 2, cmd.ProcessState.ExitCode())
		assert.Equal(t, c.line, string(output))
	}
}
