//go:build linux

package logs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A sink is written to by one goroutine and read by another.
type sink struct {
	mutex   sync.Mutex
	content bytes.Buffer
}

func (s *sink) Write(data []byte) (int, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.content.Write(data)
}

func (s *sink) String() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.content.String()
}

// soon waits until something is so.
func soon(t *testing.T, so func() bool, message string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(deadline), message)
	}
}

// followed follows a log. The channel has the error when it is over.
func followed(t *testing.T, name string, o Options) (*sink, chan error) {
	t.Helper()
	dir := opened(t, name)
	var to sink
	done := make(chan error, 1)
	o.Follow = true
	go func() { done <- Read(dir, o, &to, &to) }()
	return &to, done
}

func TestFollowShowsWhatComesAcrossFilesAndEndsWithTheLog(t *testing.T) {
	k, dir := newKeeper(t, Limits{2000, 3})
	k.write("stdout", []byte("0\n1"))
	to, done := followed(t, dir, all)
	soon(t, func() bool { return to.String() == "0\n1" }, "what is there is not shown")
	k.write("stdout", []byte("\n"))
	for i := 2; i < 200; i++ {
		k.write("stdout", fmt.Appendf(nil, "%d\n", i))
		if i%20 == 0 {
			// So that no file is gone before it is read.
			soon(t, func() bool { return strings.HasSuffix(to.String(), fmt.Sprintf("\n%d\n", i)) }, "it is not shown")
		}
	}
	k.write("stdout", []byte("the end"))
	require.NoError(t, k.Close())
	require.NoError(t, <-done)
	var want strings.Builder
	for i := range 200 {
		fmt.Fprintln(&want, i)
	}
	require.Equal(t, want.String()+"the end", to.String())
}

func TestFollowOfALogThatIsRemovedEnds(t *testing.T) {
	k, dir := newKeeper(t, Limits{2000, 3})
	to, done := followed(t, dir, Options{Tail: 0})
	soon(t, func() bool { k.write("stdout", []byte("more\n")); return strings.HasPrefix(to.String(), "more\n") }, "it is not shown")
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, k.Close())
	require.NoError(t, <-done)
}

func TestFollowThatFallsBehindGoesOnWithWhatIsKept(t *testing.T) {
	k, dir := newKeeper(t, Limits{1000, 2})
	to, done := followed(t, dir, Options{Tail: 0})
	soon(t, func() bool { k.write("stdout", []byte("more\n")); return to.String() != "" }, "it is not shown")
	k.write("stdout", bytes.Repeat([]byte("y\n"), 10_000))
	k.write("stdout", []byte("last\n"))
	require.NoError(t, k.Close())
	require.NoError(t, <-done)
	require.True(t, strings.HasSuffix(to.String(), "y\nlast\n"), to.String())
}

func TestReadOfAContainerThatHasEndedWaitsForItsLastWords(t *testing.T) {
	k, dir := newKeeper(t, Limits{1 << 20, 3})
	k.write("stdout", []byte("first\n"))
	done := make(chan string, 1)
	open := opened(t, dir)
	go func() {
		var to bytes.Buffer
		_ = Read(open, Options{Tail: -1, Ended: true}, &to, &to)
		done <- to.String()
	}()
	select {
	case text := <-done:
		require.Fail(t, "it has not waited", text)
	case <-time.After(100 * time.Millisecond):
	}
	k.write("stdout", []byte("last\n"))
	require.NoError(t, k.Close())
	require.Equal(t, "first\nlast\n", <-done)
}

func TestFinishTakesAllThatIsInThePipesAndDoesNotWaitForMore(t *testing.T) {
	k, dir := newKeeper(t, Limits{1 << 20, 3})
	stdout, stderr := pipe(t, k, "stdout"), pipe(t, k, "stderr")
	for _, file := range []*os.File{stdout, stderr} {
		_, err := file.WriteString(strings.Repeat("y\n", 10_000) + "last\n")
		require.NoError(t, err)
	}
	// Stdout stays open, as where it was sent elsewhere.
	require.NoError(t, stderr.Close())
	k.Finish()
	out, errOut := shown(t, dir, all)
	require.Equal(t, strings.Repeat("y\n", 10_000)+"last\n", out)
	require.Equal(t, out, errOut)
	_, err := stdout.WriteString("nobody reads it\n")
	require.True(t, errors.Is(err, unix.EPIPE), err)
}

func TestFinishEndsWhileSomebodyGoesOnPrinting(t *testing.T) {
	k, _ := newKeeper(t, Limits{10_000, 2})
	stdout := pipe(t, k, "stdout")
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			if _, err := stdout.WriteString(strings.Repeat("y\n", 1000)); err != nil {
				return
			}
		}
	}()
	finished := make(chan struct{})
	go func() { k.Finish(); close(finished) }()
	select {
	case <-finished:
	case <-time.After(patience):
		require.Fail(t, "it waits for ever")
	}
	<-stopped
}

func TestWhoPrintsWithoutEndIsSlowedDown(t *testing.T) {
	k, _ := newKeeper(t, Limits{10_000, 2})
	k.pace.burst, k.pace.rate = 1<<20, 1<<20
	stdout := pipe(t, k, "stdout")
	go func() {
		lines := strings.Repeat("y\n", 1000)
		for {
			if _, err := stdout.WriteString(lines); err != nil {
				return
			}
		}
	}()
	// The end of a pipe that is closed is like the pidfd of a process that has ended.
	var first [2]int
	require.NoError(t, unix.Pipe2(first[:], unix.O_CLOEXEC))
	defer unix.Close(first[0])
	time.AfterFunc(2*time.Second, func() { unix.Close(first[1]) })
	require.True(t, k.Copy(first[0], time.Minute))
	// A buffer of short lines comes to most of a megabyte of records.
	printed := k.pace.written
	require.Greater(t, printed, k.pace.burst)
	require.Less(t, printed, 3*k.pace.burst)
	begin := time.Now()
	k.Finish()
	require.Less(t, time.Since(begin), patience)
}

func TestPace(t *testing.T) {
	now := time.Now()
	p := pace{burst: 1000, rate: 100, since: now}
	p.written += 1000
	require.Zero(t, p.wait(now))
	p.written += 50
	require.Equal(t, time.Second/2, p.wait(now))
	require.Zero(t, p.wait(now.Add(time.Second/2)))
	// An hour of silence is no more than a burst.
	require.Zero(t, p.wait(now.Add(time.Hour)))
	p.written += 1100
	require.Equal(t, time.Second, p.wait(now.Add(time.Hour)))
}

func TestNoFileOfALogIsALink(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(dir, "log")))
	_, err := Keep(opened(t, dir), Limits{-1, 1})
	require.ErrorIs(t, err, os.ErrExist)
	require.ErrorIs(t, Read(opened(t, dir), all, &bytes.Buffer{}, &bytes.Buffer{}), unix.ELOOP)
}
