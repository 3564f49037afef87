//go:build linux

package terminal

import (
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// caughtHere catches a signal until the end of the test. The thread of the test gets all signals.
func caughtHere(t *testing.T, sig unix.Signal) {
	runtime.LockOSThread()
	var before sigaction
	set(sig, nil, &before)
	catcher = int32(os.Getpid())
	catch(sig)
	t.Cleanup(func() {
		set(sig, &before, nil)
		runtime.UnlockOSThread()
	})
}

func raise(t *testing.T, sig unix.Signal) {
	require.NoError(t, unix.Tgkill(unix.Getpid(), unix.Gettid(), sig))
}

func TestAwaitTellsOfSignals(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGSEGV, unix.SIGSYS, unix.SIGTSTP, lastSignal} {
		caughtHere(t, sig)
		raise(t, sig)
	}
	raise(t, unix.SIGHUP)
	var got []unix.Signal
	await(func(sig unix.Signal) { got = append(got, sig) })
	assert.Equal(t, []unix.Signal{unix.SIGHUP, unix.SIGSEGV, unix.SIGTSTP, unix.SIGSYS, lastSignal}, got)
}

func TestAwaitWaits(t *testing.T) {
	caughtHere(t, unix.SIGUSR1)
	got := make(chan unix.Signal)
	go await(func(sig unix.Signal) { got <- sig })
	raise(t, unix.SIGUSR1)
	assert.Equal(t, unix.SIGUSR1, <-got)
}

// A child has the handler and the memory of this process until its execve.
func TestASignalForAChildIsNotForUs(t *testing.T) {
	caughtHere(t, unix.SIGUSR1)
	catcher++
	raise(t, unix.SIGUSR1)
	assert.Zero(t, anything.Load())
}

func TestAMistakeOfThisProgramIsStillAPanic(t *testing.T) {
	caughtHere(t, unix.SIGSEGV)
	var nothing *int
	assert.Panics(t, func() { *nothing = 1 })
	assert.Zero(t, anything.Load())
}
