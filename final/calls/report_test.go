//go:build linux

package calls_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/calls"
	"container-workshop/final/stage"
	"container-workshop/internal/needs"
)

func TestAFailureHasTheNameOfItsStage(t *testing.T) {
	l := calls.New("container", false)
	l.Stage("getpid()", "getpid(2)", 3)
	l.Do(unix.SYS_GETPID)
	named := l.Stage("later", "chdir(2)", 4)
	l.Do(unix.SYS_CHDIR, "/")
	l.Do(unix.SYS_CHDIR, "/no such directory")
	l.Stage("never", "getpid(2)", 0)
	l.Do(unix.SYS_GETPID)
	named.Call = `chdir("/no such directory")`
	_, err := outcome(t, l)
	assert.EqualError(t, err, `chdir("/no such directory"): no such file or directory`)
	assert.ErrorIs(t, err, unix.ENOENT)
}

func TestFailsSaysWhatAFailureIsCalled(t *testing.T) {
	l := calls.New("container", false)
	l.Stage("open", "open(2)", 4)
	l.Do(unix.SYS_GETPID).Fails(func(error, string) error { return errors.New("another call") })
	l.Fail(unix.EMFILE).Fails(func(err error, text string) error { return fmt.Errorf("cannot open a door%s: %w", text, err) })
	_, err := outcome(t, l)
	assert.EqualError(t, err, "cannot open a door: too many open files")
	assert.ErrorIs(t, err, unix.EMFILE)
}

// A command can fail in a way that only the host side sees. The error is the same.
func TestTheFailureOfACall(t *testing.T) {
	l := calls.New("container", false)
	l.Stage("chdir(/)", "chdir(2)", 4)
	number := l.Len()
	l.Do(unix.SYS_CHDIR, "/")
	l.Stage("execve(/bin/true)", "execve(2)", 1)
	l.Do(unix.SYS_EXECVE, "/bin/true", nil, nil).Fails(func(err error, _ string) error { return fmt.Errorf("start: %w", err) })
	assert.EqualError(t, l.FailureOf(number, unix.EACCES), "chdir(/): permission denied")
	assert.EqualError(t, l.FailureOf(number+1, unix.EACCES), "start: permission denied")
}

func TestAFailureBringsTheWordsOfTheKernel(t *testing.T) {
	needs.Root(t)
	write := func(fails func(error, string) error) error {
		l := calls.New("container", false)
		fs := l.Slot()
		l.Stage("fsopen(tmpfs)", "fsopen(2)", 7)
		l.Do(unix.SYS_FSOPEN, "tmpfs", unix.FSOPEN_CLOEXEC).To(fs)
		call := l.Do(unix.SYS_FSCONFIG, fs, unix.FSCONFIG_SET_STRING, "size", "huge", 0).Text(fs)
		if fails != nil {
			call.Fails(fails)
		}
		_, err := outcome(t, l)
		return err
	}
	assert.EqualError(t, write(nil), "fsopen(tmpfs): invalid argument (tmpfs: Bad value for 'size')")
	assert.EqualError(t, write(func(_ error, text string) error { return errors.New("text: " + text) }), "text: tmpfs: Bad value for 'size'")

	// Without words of the kernel the text is empty.
	l := calls.New("container", false)
	fs := l.Slot()
	l.Stage("fsopen(tmpfs)", "fsopen(2)", 7)
	l.Do(unix.SYS_FSOPEN, "tmpfs", unix.FSOPEN_CLOEXEC).To(fs)
	l.Fail(unix.EPERM).Text(fs)
	_, err := outcome(t, l)
	assert.EqualError(t, err, "fsopen(tmpfs): operation not permitted")
}

// The words come from a descriptor that holds a message for each error, as the descriptor of fsopen(2) does.
func TestTheTextIsReadAfterAFailure(t *testing.T) {
	for words, want := range map[string]string{"e no such option\n": "mount: invalid argument (no such option)", "w only a warning": "mount: invalid argument"} {
		l := calls.New("container", false)
		fs := l.Slot()
		l.Stage("mount", "mount(2)", 5)
		l.Set(fs, 4)
		l.Fail(unix.EPERM).Allow(unix.EPERM).Text(fs)
		l.Fail(unix.EINVAL).Text(fs)
		read, write := pipe(t)
		_, err := write.WriteString(words)
		require.NoError(t, err)
		p := start(t, l, read)
		err, ok := l.Failure(p.receive(t))
		assert.True(t, ok)
		assert.EqualError(t, err, want)
		assert.Equal(t, 125, p.end(t))
	}
}

func TestOnlyAReportIsAFailure(t *testing.T) {
	l := calls.New("container", false)
	for _, message := range [][]byte{nil, {0, 0, 0, 0}, make([]byte, 15), append([]byte{1}, make([]byte, 15)...), {0, 0, 0, 0, 99, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0}} {
		_, ok := l.Failure(message)
		assert.False(t, ok, message)
	}
}

func TestExplainSaysWhenEachStageBegan(t *testing.T) {
	l := calls.New("container", true)
	over := l.Label()
	l.Stage("first", "first(2)", 1)
	l.Do(unix.SYS_GETPID)
	l.Stage("second", "second(2)", 2).Waiting = true
	l.Do(unix.SYS_READ, 4, l.Buffer(1), 1)
	l.Goto(over)
	l.Stage("left out", "third(2)", 3)
	l.Do(unix.SYS_GETPID)
	l.Mark(over)
	l.Stage("fourth", "fourth(2)", 4)
	l.SendTimes(5)
	l.Stage("to come", "fifth(2)", 5)
	l.Do(unix.SYS_GETPID)

	read, write := pipe(t)
	before := now(t)
	p := start(t, l, read)
	between := now(t)
	_, err := write.WriteString("x")
	require.NoError(t, err)
	message := p.receive(t)
	assert.Equal(t, 0, p.end(t))
	after := now(t)
	require.Equal(t, []byte{5, 0, 0, 0}, message[:4])
	records := l.Records(message[4:])
	var names []string
	for _, record := range records {
		names = append(names, record.Call)
	}
	require.Equal(t, []string{"first", "second", "fourth", "to come"}, names)
	assert.Greater(t, records[0].Start, before)
	assert.Equal(t, records[0].Start+records[0].Took, records[1].Start)
	assert.Equal(t, records[1].Start+records[1].Took, records[2].Start)
	assert.Greater(t, records[2].Start, between)
	assert.Less(t, records[2].Start, after)
	assert.Negative(t, records[2].Took)
	assert.Negative(t, records[3].Took)
	assert.Equal(t, stage.Record{Side: "container", Call: "second", Man: "second(2)", Step: 2, Waiting: true, Start: records[1].Start, Took: records[1].Took}, records[1])

	l = calls.New("container", false)
	l.Stage("first", "first(2)", 1)
	l.SendTimes(5)
	assert.Zero(t, l.Times().Size)
	messages, err := outcome(t, l)
	require.NoError(t, err)
	assert.Empty(t, messages)
	assert.Len(t, l.Records(nil), 1)
}

func TestInterruptMakesAStageFail(t *testing.T) {
	failure := errors.New("the test wants it so")
	var seen [][2]string
	calls.Interrupt = func(l *calls.List, side, call string) error {
		seen = append(seen, [2]string{side, call})
		if call == "first" {
			pid := l.Slot()
			l.Do(unix.SYS_GETPID).To(pid)
			send(l, pid)
		}
		if call == "second" {
			return failure
		}
		return nil
	}
	t.Cleanup(func() { calls.Interrupt = nil })
	l := calls.New("container", false)
	unset := l.Slot()
	l.Stage("first", "first(2)", 1)
	send(l, unset)
	l.Stage("second", "second(2)", 2)
	send(l, unset)
	l.Stage("third", "third(2)", 3)
	p := start(t, l)
	assert.Equal(t, []int{p.Process.Pid}, values(t, p.receive(t)), "Interrupt has added calls")
	assert.Equal(t, []int{0}, values(t, p.receive(t)))
	err, ok := l.Failure(p.receive(t))
	assert.True(t, ok)
	assert.ErrorIs(t, err, failure)
	assert.EqualError(t, err, "second: the test wants it so")
	assert.Equal(t, 125, p.end(t))
	assert.Equal(t, [][2]string{{"container", "first"}, {"container", "second"}, {"container", "third"}}, seen)
}

// now is the time on the monotonic clock, which all processes share.
func now(t *testing.T) time.Duration {
	t.Helper()
	var now unix.Timespec
	require.NoError(t, unix.ClockGettime(unix.CLOCK_MONOTONIC, &now))
	return time.Duration(now.Nano())
}
