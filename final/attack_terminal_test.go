//go:build linux

package main

import (
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"testing"
	"unsafe"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// typeInto types a line into the terminal that standard input is, and into the one of the session, in all ways that there are.
func typeInto([]string) error {
	tty, err := unix.Open("/dev/tty", unix.O_RDWR, 0)
	fmt.Println("open", nameOf(err))
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, 0, unix.TIOCSCTTY, 1)
	fmt.Println("steal", nameOf(asError(errno)))
	for _, fd := range []int{0, tty} {
		for _, high := range []uintptr{0, 1 << 32, 0xdeadbeef << 32} {
			for _, key := range []byte("attack\n") {
				_, _, errno = typeKey(fd, unix.TIOCSTI|high, key)
			}
			fmt.Println("type", nameOf(asError(errno)))
			// Paste what is selected: only the console has that. ioctl_console(2)
			_, _, errno = typeKey(fd, unix.TIOCLINUX|high, 3)
			fmt.Println("paste", nameOf(asError(errno)))
		}
	}
	return nil
}

func asError(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// atTerminal runs a command as a shell would on a terminal, and returns what it showed and how many bytes wait there to be
// read by the next command.
func atTerminal(t *testing.T, cmd *exec.Cmd) (shown string, typed int) {
	t.Helper()
	master, slave, err := pty.Open()
	require.NoError(t, err)
	defer master.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	output := make(chan string)
	go func() {
		// It ends when nobody has the other end open.
		all, _ := io.ReadAll(master)
		output <- string(all)
	}()
	require.NoError(t, cmd.Run())
	// Bytes are there to be read at once, not only when their line is complete.
	_, err = term.MakeRaw(int(slave.Fd()))
	require.NoError(t, err)
	typed, err = unix.IoctlGetInt(int(slave.Fd()), unix.TIOCINQ)
	require.NoError(t, err)
	slave.Close()
	return <-output, typed
}

// CVE-2017-5226, CVE-2023-28100
func TestNothingIsTypedIntoTheTerminalOfTheCaller(t *testing.T) {
	unconfined := []string{"--security-opt", "seccomp=unconfined"}
	for _, test := range []struct {
		flags []string
		// types is what typing comes to, if that is always the same.
		types string
	}{
		{nil, "type EPERM"}, {unconfined, ""}, {[]string{"--privileged"}, ""},
		// Standard input is the terminal of the caller.
		{[]string{"--tty=false"}, "type EPERM"}, {append(unconfined, "--tty=false"), ""},
	} {
		shown, typed := atTerminal(t, command(t, attackArgs(t, test.flags, "type")...))
		assert.Zero(t, typed, "%v: %s", test.flags, shown)
		assert.Contains(t, shown, test.types)
		if test.types != "" {
			assert.NotContains(t, shown, "type done")
			assert.Contains(t, shown, "paste EPERM")
		}
		if len(test.flags) > 0 && test.flags[len(test.flags)-1] == "--tty=false" {
			assert.Contains(t, shown, "open ENXIO", "it has no terminal of its own")
			assert.Contains(t, shown, "steal EPERM")
		}
	}
	id := printed(t, command(t, attackArgs(t, append(unconfined, "--detach"), "hunt", "0")...))
	t.Cleanup(func() { final(t, "delete", "--force", id) })
	shown, typed := atTerminal(t, command(t, "exec", id, "/attack", "attack", "type"))
	assert.Zero(t, typed, shown)
	t.Run("control", func(t *testing.T) {
		shown, typed := atTerminal(t, step(t, "step07-tmpfs", "--rootfs", image(t, nil), "/attack", "attack", "type"))
		assert.Contains(t, shown, "type done")
		assert.Equal(t, 3*len("attack\n"), typed, shown)
	})
}

// The filter compares the 32 bits that the kernel looks at. ioctl(2)
func TestTheFilterComparesWhatTheKernelLooksAt(t *testing.T) {
	for _, request := range []uint64{unix.TIOCSTI, unix.TIOCLINUX} {
		for _, high := range []uint64{0, 1 << 32, 0xdeadbeef << 32} {
			call := []string{"call", strconv.Itoa(unix.SYS_IOCTL), "99", strconv.FormatUint(high|request, 10)}
			assert.Equal(t, "EPERM", attacked(t, nil, call...))
			assert.Equal(t, "EBADF", attacked(t, []string{"--security-opt", "seccomp=unconfined"}, call...), "control")
		}
	}
}

// typeKey makes one of these calls, with all bits of the request.
func typeKey(fd int, request uintptr, key byte) (uintptr, uintptr, unix.Errno) {
	return unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(&key)))
}
