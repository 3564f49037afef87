//go:build linux

package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
)

// openByHandle reads a file of the file system of a directory by its handle, so without any path to it.
func openByHandle(args []string) error {
	kind, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	handle, err := hex.DecodeString(args[2])
	if err != nil {
		return err
	}
	dir, err := unix.Open(args[0], unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	fd, err := unix.OpenByHandleAt(dir, unix.NewFileHandle(int32(kind), handle), unix.O_RDONLY)
	if err != nil {
		return err
	}
	content := make([]byte, 100)
	n, err := unix.Read(fd, content)
	fmt.Printf("%s\n", content[:max(n, 0)])
	return err
}

// holdSecret becomes a command that has a key with a name in its session keyring. session-keyring(7)
func holdSecret(args []string) error {
	if _, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0); err != nil {
		return err
	}
	if _, err := unix.AddKey("user", args[0], []byte("secret"), unix.KEY_SPEC_SESSION_KEYRING); err != nil {
		return err
	}
	return unix.Exec(args[1], args[1:], os.Environ())
}

func findSecret(args []string) error {
	_, err := unix.KeyctlSearch(unix.KEY_SPEC_SESSION_KEYRING, "user", args[0], 0)
	return err
}

// printIDs prints the real, the effective and the saved user.
func printIDs([]string) error {
	real, effective, saved := unix.Getresuid()
	fmt.Println(real, effective, saved)
	return nil
}

// CVE-2022-24769, CVE-2022-29162, capabilities(7)
func TestNoCapabilityIsInheritableOrAmbient(t *testing.T) {
	const nothing = "CapInh:\t0000000000000000\n"
	show := []string{"/bin/busybox", "grep", "^Cap", "/proc/self/status"}
	dir := rootfsOf(t, nil)
	id := detached(t, "exec sleep 1000", "--rootfs", dir, "--cap-add", "NET_RAW")
	for _, args := range [][]string{
		{"run", "--rootfs", dir}, {"run", "--rootfs", dir, "--privileged"}, {"run", "--rootfs", dir, "--cap-add", "ALL"},
		{"run", "--rootfs", dir, "--security-opt", "no-new-privileges=false"}, {"run", "--rootfs", dir, "--cap-add", "NET_RAW", "--init"},
		{"run", "--rootfs", dir, "--user", "1000"}, {"exec", id}, {"exec", "--user", "1000", id}, {"exec", "--user", "0", id},
	} {
		cmd := command(t, append(args, show...)...)
		// The caller has some.
		cmd.SysProcAttr = &unix.SysProcAttr{AmbientCaps: []uintptr{unix.CAP_NET_RAW, unix.CAP_CHOWN}}
		capabilities := printed(t, cmd)
		assert.Contains(t, capabilities, nothing, "%v", args)
		assert.Contains(t, capabilities, "CapAmb:\t0000000000000000", "%v", args)
		if args[len(args)-1] == "1000" || len(args) > 3 && args[2] == "1000" {
			assert.Contains(t, capabilities, "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000", "%v", args)
		} else {
			assert.NotContains(t, capabilities, "CapEff:\t0000000000000000", "%v", args)
		}
	}
	t.Run("control", func(t *testing.T) {
		cmd := step(t, "step07-tmpfs", append([]string{"--rootfs", dir}, show...)...)
		cmd.SysProcAttr = &unix.SysProcAttr{AmbientCaps: []uintptr{unix.CAP_NET_RAW, unix.CAP_CHOWN}}
		assert.NotContains(t, printed(t, cmd), nothing)
	})
}

// PR_SET_NO_NEW_PRIVS(2const)
func TestASetuidProgramGainsNothing(t *testing.T) {
	dir := image(t, nil)
	copySelf(t, filepath.Join(dir, "setuid"), 0o755|os.ModeSetuid)
	args := []string{"run", "--rootfs", dir, "--user", "1000"}
	try := []string{"/setuid", "attack", "ids"}
	assert.Equal(t, "1000 1000 1000\ndone\n", final(t, append(args, try...)...).stdout)
	assert.Equal(t, "1000 1000 1000\ndone\n", final(t, append(append(args, "--privileged", "--security-opt", "no-new-privileges=true"), try...)...).stdout)
	id := detached(t, "exec sleep 1000", "--rootfs", dir)
	assert.Equal(t, "1000 1000 1000\ndone\n", final(t, append([]string{"exec", "--user", "1000", id}, try...)...).stdout)
	assert.Equal(t, "1000 0 0\ndone\n", final(t, append(append(args, "--security-opt", "no-new-privileges=false"), try...)...).stdout, "control")
}

// open_by_handle_at(2)
func TestNoFileOfTheHostIsOpenedByItsHandle(t *testing.T) {
	marker := file(t, "marker", "of the host")
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, marker, 0)
	if err != nil {
		t.Skipf("handles are missing in this file system: name_to_handle_at: %v", err)
	}
	bait := filepath.Dir(file(t, "bait", ""))
	args := []string{"handle", "/bait", strconv.Itoa(int(handle.Type())), hex.EncodeToString(handle.Bytes())}
	volume := []string{"--volume", bait + ":/bait"}
	assert.Equal(t, "EPERM", attacked(t, volume, args...))
	assert.Equal(t, "EPERM", attacked(t, append(volume, "--security-opt", "seccomp=unconfined"), args...), "without a filter")
	assert.Equal(t, "EPERM", attacked(t, append(volume, "--cap-add", "SYS_ADMIN"), args...), "with another capability")
	assert.Equal(t, "of the host\ndone", attacked(t, append(volume, "--cap-add", "DAC_READ_SEARCH"), args...), "control")
}

// session-keyring(7)
func TestTheKeysOfTheCallerAreNotInTheContainer(t *testing.T) {
	name := fmt.Sprintf("container-workshop-%d", os.Getpid())
	if control := printed(t, onHost(t, "secret", name, onHost(t).Path, "attack", "keyring", name)); control != "done" {
		t.Skipf("keys are missing in this kernel: %s", control)
	}
	holding := func(args ...string) string {
		cmd := command(t, args...)
		cmd.Args = append([]string{cmd.Path, "attack", "secret", name}, cmd.Args...)
		return printed(t, cmd)
	}
	unconfined := []string{"--security-opt", "seccomp=unconfined"}
	assert.Equal(t, "EPERM", holding(attackArgs(t, nil, "keyring", name)...), "the filter")
	assert.Equal(t, "ENOKEY", holding(attackArgs(t, unconfined, "keyring", name)...))
	assert.Equal(t, "ENOKEY", holding(attackArgs(t, append(unconfined, "--user", "1000"), "keyring", name)...))

	run := attackArgs(t, append(unconfined, "--detach"), "hunt", "0")
	id := holding(run...)
	t.Cleanup(func() { final(t, "delete", "--force", id) })
	assert.Equal(t, "ENOKEY", holding("exec", id, "/attack", "attack", "keyring", name))
	t.Run("control", func(t *testing.T) {
		cmd := step(t, "step07-tmpfs", "--rootfs", image(t, nil), "/attack", "attack", "keyring", name)
		cmd.Args = append([]string{cmd.Path, "attack", "secret", name, cmd.Path}, cmd.Args[1:]...)
		cmd.Path = onHost(t).Path
		assert.Equal(t, "done", printed(t, cmd))
	})
}

// environ(7)
func TestTheEnvironmentOfTheCallerIsNotInTheContainer(t *testing.T) {
	const secret = "ATTACK_SECRET"
	t.Setenv(secret, "of the host")
	dir := rootfsOf(t, nil)
	id := detached(t, "exec sleep 1000", "--rootfs", dir)
	show := []string{"/bin/cat", "/proc/self/environ", "/proc/1/environ"}
	for _, args := range [][]string{{"run", "--rootfs", dir}, {"run", "--rootfs", dir, "--init"}, {"run", "--rootfs", dir, "--privileged"}, {"exec", id}} {
		environment := printed(t, command(t, append(args, show...)...))
		for variable := range strings.SplitSeq(strings.TrimRight(environment, "\x00"), "\x00") {
			name, _, _ := strings.Cut(variable, "=")
			// The last two are from the shell that process 1 was.
			assert.Contains(t, []string{"PATH", "HOME", "HOSTNAME", "TERM", "PWD", "SHLVL"}, name, "%v", args)
		}
	}
	for _, args := range [][]string{{"run", "--rootfs", dir, "--env", secret}, {"exec", "--env", secret, id}} {
		assert.Contains(t, printed(t, command(t, append(args, show...)...)), secret+"=of the host", "control")
	}
	t.Run("control", func(t *testing.T) {
		assert.Contains(t, printed(t, step(t, "step07-tmpfs", append([]string{"--rootfs", dir}, show...)...)), secret+"=of the host")
	})
}
