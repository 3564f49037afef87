//go:build linux

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// fillSockets writes to TCP sockets without reading at the other end, so the kernel keeps the bytes. It stops at a number of MiB, and
// prints how many MiB it has written.
func fillSockets(args []string) error {
	most, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if err := unix.Listen(listener, 128); err != nil {
		return err
	}
	address, err := unix.Getsockname(listener)
	if err != nil {
		return err
	}
	sent, chunk := 0, make([]byte, 1<<16)
	for range 200 {
		there, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		if err := unix.Connect(there, address); err != nil {
			return err
		}
		back, _, err := unix.Accept(listener)
		if err != nil {
			return err
		}
		for _, fd := range []int{there, back} {
			if err := unix.SetNonblock(fd, true); err != nil {
				return err
			}
			for n := 0; err == nil && sent < most<<20; sent += max(n, 0) {
				n, err = unix.Write(fd, chunk)
			}
			err = nil
		}
	}
	fmt.Println(sent >> 20)
	return nil
}

// On version 1 of cgroups the memory of sockets has a limit of its own. cgroup-v1/memory.rst
func TestTheMemoryOfSocketsIsLimited(t *testing.T) {
	held := func(args ...string) int {
		t.Helper()
		r := outcome(t, command(t, args...))
		if r.status == 128+int(unix.SIGKILL) {
			// Version 2 counts it as memory.
			return 0
		}
		require.Equal(t, 0, r.status, r.stderr)
		mib, err := strconv.Atoi(strings.Fields(r.stdout)[0])
		require.NoError(t, err)
		return mib
	}
	assert.Less(t, held(attackArgs(t, []string{"--memory", "64m"}, "sockets", "200")...), 100)
	// How much it is depends on the memory of the host, too.
	assert.Greater(t, held(attackArgs(t, []string{"--memory", "1g"}, "sockets", "200")...), 100, "control")

	c := newBundle(t, "/attack", "attack", "sockets", "200")
	self, err := os.Executable()
	require.NoError(t, err)
	c.mount("bind", self, "/attack", "bind", "ro")
	c.spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: new(int64(64 << 20))}
	c.write()
	assert.Less(t, held("--root", c.root, "run", "--bundle", c.dir, c.id), 100)
	c.nothingLeft()
}
