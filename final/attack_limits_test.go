//go:build linux

package main

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func init() { attacks["take"] = takeMany }

// things are what the kernel counts for a user of the host, or for the host, by what takes one of them.
var things = map[string]func(number int) error{
	"signals": queueSignal, "queues": makeQueue, "contexts": setUpContext,
	"terminals": func(int) error { _, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0); return err },
}

// takeMany takes so many things of a kind, or as many as it gets, and prints how many. They are gone when it ends.
func takeMany(args []string) (err error) {
	most, err := strconv.Atoi(args[1])
	taken := 0
	for ; err == nil && taken < most; taken++ {
		if err = things[args[0]](taken); err != nil {
			break
		}
	}
	fmt.Print(taken, " ")
	return err
}

// queueSignal sends a signal to this thread, which does not take it. rt_tgsigqueueinfo(2)
func queueSignal(number int) error {
	const signal, siQueue = 40, -1
	if number == 0 {
		runtime.LockOSThread()
		blocked := unix.Sigset_t{Val: [16]uint64{1 << (signal - 1)}}
		if err := unix.PthreadSigmask(unix.SIG_BLOCK, &blocked, nil); err != nil {
			return err
		}
	}
	info := [32]int32{0: signal, 2: siQueue}
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_TGSIGQUEUEINFO, uintptr(unix.Getpid()), uintptr(unix.Gettid()), signal, uintptr(unsafe.Pointer(&info)), 0, 0)
	return asError(errno)
}

// makeQueue makes a POSIX message queue of the default size. mq_open(3)
func makeQueue(number int) error {
	name, err := unix.BytePtrFromString(fmt.Sprintf("queue-%d", number))
	if err != nil {
		return err
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)), unix.O_RDWR|unix.O_CREAT, 0o600, 0, 0, 0)
	return asError(errno)
}

// setUpContext makes room for an asynchronous read or write. io_setup(2)
func setUpContext(int) error {
	var context uintptr
	_, _, errno := unix.RawSyscall(unix.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&context)), 0)
	return asError(errno)
}

// took is how many things of a kind a container gets, and how the next one fails.
func took(t *testing.T, thing string, most uint64, flags ...string) (taken uint64, how string) {
	t.Helper()
	number, how, _ := strings.Cut(attacked(t, flags, "take", thing, strconv.FormatUint(most, 10)), " ")
	taken, err := strconv.ParseUint(number, 10, 64)
	require.NoError(t, err)
	return taken, how
}

// rlimit returns a soft limit of the test. getrlimit(2)
func rlimit(number int) uint64 {
	var limit unix.Rlimit
	_ = unix.Getrlimit(number, &limit)
	return limit.Cur
}

// getrlimit(2)
func TestAContainerLeavesTheHostWhatTheKernelCountsForEachUser(t *testing.T) {
	signals, bytes := min(rlimit(unix.RLIMIT_SIGPENDING)/2, 4096), min(rlimit(unix.RLIMIT_MSGQUEUE)/2, 400<<10)
	// Others on the host may have some, too.
	taken, how := took(t, "signals", signals+100)
	assert.LessOrEqual(t, taken, signals)
	assert.Equal(t, "EAGAIN", how)
	taken, how = took(t, "signals", signals+100, "--ulimit", fmt.Sprint("sigpending=", rlimit(unix.RLIMIT_SIGPENDING)))
	assert.Equal(t, fmt.Sprint(signals+100, " done"), fmt.Sprint(taken, " ", how), "control")

	// Ten messages of 8 KiB. mq_overview(7)
	const queue = 80 << 10
	taken, how = took(t, "queues", bytes/queue+1)
	assert.LessOrEqual(t, taken, bytes/queue)
	assert.Equal(t, "EMFILE", how)
	taken, how = took(t, "queues", bytes/queue+1, "--ulimit", fmt.Sprint("msgqueue=", rlimit(unix.RLIMIT_MSGQUEUE)))
	assert.Equal(t, fmt.Sprint(bytes/queue+1, " done"), fmt.Sprint(taken, " ", how), "control")

	locked := min(rlimit(unix.RLIMIT_MEMLOCK)/2, 4<<20)
	show := "while read -r line; do case $line in 'Max pending'*|'Max msgq'*|'Max locked'*) set -- $line; echo $4 $5;; esac; done </proc/self/limits"
	all := fmt.Sprintf("%[1]d %[1]d\n%[2]d %[2]d\n%[3]d %[3]d\n", locked, signals, bytes)
	assert.Equal(t, result{all, "", 0}, run(t, show))
	assert.Equal(t, result{all, "", 0}, final(t, "exec", detached(t, "exec sleep 1000"), "/bin/sh", "-c", show))
	refused := run(t, "ulimit -l unlimited")
	assert.NotEqual(t, 0, refused.status, "root of a container cannot take more")
	// Who may do everything may change its limits, too.
	assert.NotEqual(t, all, run(t, show, "--privileged").stdout)
}

// fs.aio-max-nr, proc_sys_fs(5)
func TestAContainerLeavesTheHostItsAsynchronousInput(t *testing.T) {
	taken, how := took(t, "contexts", 1)
	assert.Equal(t, "0 ENOSYS", fmt.Sprint(taken, " ", how))
	own := file(t, "profile.json", `{"defaultAction": "SCMP_ACT_ALLOW"}`)
	for _, profile := range []string{"unconfined", own} {
		taken, how = took(t, "contexts", 1, "--security-opt", "seccomp="+profile)
		assert.Equal(t, "1 done", fmt.Sprint(taken, " ", how), "control")
	}
}

// kernel.pty.max, pty(7)
func TestAContainerLeavesTheHostItsTerminals(t *testing.T) {
	taken, how := took(t, "terminals", 40, "--pids", "30")
	assert.Equal(t, "30 ENOSPC", fmt.Sprint(taken, " ", how))
	taken, how = took(t, "terminals", 40, "--pids", "50")
	assert.Equal(t, "40 done", fmt.Sprint(taken, " ", how), "control")
}
