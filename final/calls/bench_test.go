//go:build linux

package calls_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/calls"
)

// usual is a list of the usual size: 200 calls in 60 stages.
func usual() *calls.List {
	l := calls.New("container", false)
	for i := range 60 {
		l.Stage(fmt.Sprintf("open(%d)", i), "open(2)", 4)
		fd := l.Slot()
		l.Do(unix.SYS_OPENAT, unix.AT_FDCWD, "/dev/null", unix.O_PATH|unix.O_CLOEXEC, 0).To(fd).Allow(unix.ENOENT)
		l.Do(unix.SYS_FCNTL, fd, unix.F_GETFD, 0)
		l.Do(unix.SYS_CLOSE, fd).Fails(func(err error, _ string) error { return fmt.Errorf("close: %w", err) })
	}
	for range 20 {
		l.Do(unix.SYS_GETPID)
	}
	return l
}

func BenchmarkImage(b *testing.B) {
	for b.Loop() {
		file, err := usual().Image()
		require.NoError(b, err)
		file.Close()
	}
}

// BenchmarkExecute also makes the calls: fork, execve, 200 calls, wait.
func BenchmarkExecute(b *testing.B) {
	l := usual()
	l.Socket(0)
	file, err := l.Image()
	require.NoError(b, err)
	defer file.Close()
	for b.Loop() {
		require.NoError(b, exec.Command(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), file.Fd())).Run())
	}
}
