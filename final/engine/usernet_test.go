//go:build linux

package engine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/alive"
)

func TestACarrierThatNeverBecomesReadyIsEnded(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o755))
	namespace, err := os.Open("/proc/self/ns/net")
	require.NoError(t, err)
	defer namespace.Close()
	for _, name := range []string{pasta, slirp} {
		u := &userPlug{carrier: carrier{name, program}, id: stored(t, t.TempDir())}
		require.NoError(t, u.start(namespace))
		note := alive.Note(u.pid)
		require.Equal(t, u.pid, alive.Noted(note))
		assert.EqualError(t, u.work(time.Millisecond), "the network does not work after 1ms")
		u.close()
		assert.Zero(t, alive.Noted(note), "the carrier runs on")
	}
}

// A PID may become that of another process at any time. A descriptor means one process for ever.
func TestUnplugSignalsTheCarrierAndNobodyElse(t *testing.T) {
	for _, other := range []bool{false, true} {
		t.Run(fmt.Sprintf("another process: %t", other), func(t *testing.T) {
			id := stored(t, t.TempDir())
			cmd := exec.Command("cat")
			input, err := cmd.StdinPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			note := alive.Note(cmd.Process.Pid)
			if other {
				note = append(note, '0')
			}
			require.NoError(t, os.WriteFile(filepath.Join(directory(id), "network"), note, 0o600))
			failed := make(chan error)
			go func() {
				runtime.LockOSThread()
				err := refuseKill()
				if err == nil {
					err = unplugUser(id)
				}
				failed <- err
			}()
			require.NoError(t, <-failed)
			require.NoError(t, input.Close())
			err = cmd.Wait()
			if other {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, "signal: killed")
		})
	}
}

// refuseKill makes kill(2) fail in this thread, for ever. seccomp(2)
func refuseKill() error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_KILL, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}
