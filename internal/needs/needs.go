//go:build linux

// Package needs provides what tests need: root, a root file system, and compiled programs. It skips a test where something is missing.
package needs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Root skips a test unless root runs it.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: make test")
	}
}

// Rootfs returns the root file system of the tests, which is $ROOTFS or the default. It skips a test without root.
func Rootfs(t testing.TB) string {
	t.Helper()
	Root(t)
	rootfs := os.Getenv("ROOTFS")
	if rootfs == "" {
		rootfs = "/var/lib/container-workshop/rootfs"
	}
	if _, err := os.Stat(rootfs); err != nil {
		t.Skipf("needs a root file system: make rootfs: %v", err)
	}
	return rootfs
}

// Compiler skips a test on a machine without Go.
func Compiler(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skipf("needs a compiler: %v", err)
	}
}

// Build runs go build -o program with the arguments, and with variables added to the environment. The program has no symbols for a
// debugger, so it is linked faster. Under sudo Build compiles as the caller, because the build cache is the caller's.
func Build(t testing.TB, program string, env []string, args ...string) {
	t.Helper()
	cmd := exec.Command("go", append([]string{"build", "-ldflags=-s", "-o", program}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	uid, _ := strconv.Atoi(os.Getenv("SUDO_UID"))
	gid, _ := strconv.Atoi(os.Getenv("SUDO_GID"))
	if uid != 0 {
		require.NoError(t, os.Chown(filepath.Dir(program), uid, gid))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))
}
