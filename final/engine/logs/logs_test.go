//go:build linux

package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const patience = 10 * time.Second

// newKeeper starts a log, which ends with the test.
func newKeeper(t *testing.T, limits Limits) (*Keeper, string) {
	t.Helper()
	dir := t.TempDir()
	k, err := Keep(opened(t, dir), limits)
	require.NoError(t, err)
	t.Cleanup(func() { k.Close() })
	return k, dir
}

func opened(t *testing.T, name string) *os.File {
	t.Helper()
	dir, err := os.Open(name)
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	return dir
}

// shown reads a log with options.
func shown(t *testing.T, dir string, o Options) (stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	require.NoError(t, Read(opened(t, dir), o, &out, &errOut))
	return out.String(), errOut.String()
}

// all are the options for what is there.
var all = Options{Tail: -1}

// pipe returns the write end of a pipe that the keeper reads.
func pipe(t *testing.T, k *Keeper, stream string) *os.File {
	t.Helper()
	var ends [2]int
	require.NoError(t, unix.Pipe2(ends[:], unix.O_CLOEXEC))
	require.NoError(t, k.AddPipe(stream, ends[0]))
	write := os.NewFile(uintptr(ends[1]), "write end")
	t.Cleanup(func() { write.Close() })
	return write
}

func total(t *testing.T, dir string) (files int, size int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, entry := range entries {
		info, err := entry.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode(), entry.Name())
		size += info.Size()
	}
	return len(entries), size
}

func TestEachStreamComesBackAsItWas(t *testing.T) {
	k, dir := newKeeper(t, Limits{Size: 1 << 20, Files: 3})
	k.write("stdout", []byte("one\nwithout an "))
	k.write("stderr", []byte("\nerror\n\xff\x00\r\n"))
	k.write("stdout", []byte("end"))
	long := strings.Repeat("x", 3*maxPiece+1)
	k.write("stdout", []byte(long+"\nlast\n"))
	k.Note("from the monitor")
	stdout, stderr := shown(t, dir, all)
	require.Equal(t, "one\nwithout an end"+long+"\nlast\n", stdout)
	require.Equal(t, "\nerror\n\xff\x00\r\nfrom the monitor\n", stderr)
}

func TestRecordsAreThoseOfTheContainerRuntimeInterface(t *testing.T) {
	k, dir := newKeeper(t, Limits{Size: 1 << 20, Files: 3})
	k.write("stdout", []byte("line\npiece"))
	k.write("stderr", []byte("error\n"))
	content, err := os.ReadFile(filepath.Join(dir, "log"))
	require.NoError(t, err)
	const when = `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z`
	require.Regexp(t, regexp.MustCompile("^"+when+" stdout F line\n"+when+" stdout P piece\n"+when+" stderr F error\n$"), string(content))
}

func TestALogIsBounded(t *testing.T) {
	for _, limits := range []Limits{{10_000, 3}, {10_000, 1}, {100_000, 2}} {
		t.Run(fmt.Sprint(limits), func(t *testing.T) {
			k, dir := newKeeper(t, limits)
			for i := range 20_000 {
				k.write("stdout", fmt.Appendf(nil, "line %d\n", i))
			}
			// Many lines at once, and one that is longer than a file may be.
			k.write("stdout", bytes.Repeat([]byte("y\n"), 100_000))
			k.write("stdout", append(bytes.Repeat([]byte("z"), 3*maxPiece), '\n'))
			files, size := total(t, dir)
			require.LessOrEqual(t, files, limits.Files)
			require.LessOrEqual(t, size, int64(limits.Files)*max(limits.Size, maxPiece+100))
			k.write("stdout", []byte("last\n"))
			stdout, _ := shown(t, dir, all)
			require.True(t, strings.HasSuffix(stdout, "last\n"), stdout)
		})
	}
	k, dir := newKeeper(t, Limits{-1, 3})
	k.write("stdout", bytes.Repeat([]byte("y\n"), 100_000))
	files, size := total(t, dir)
	require.Equal(t, 1, files)
	require.Greater(t, size, int64(2_000_000))
}

func TestTheNewestLinesAreKeptAcrossFiles(t *testing.T) {
	k, dir := newKeeper(t, Limits{2000, 4})
	for i := range 1000 {
		k.write("stdout", fmt.Appendf(nil, "%d\n", i))
	}
	stdout, _ := shown(t, dir, all)
	lines := strings.Fields(stdout)
	require.Greater(t, len(lines), 80)
	for i, line := range lines {
		require.Equal(t, fmt.Sprint(1000-len(lines)+i), line)
	}
	stdout, _ = shown(t, dir, Options{Tail: 60})
	require.Equal(t, strings.Join(lines[len(lines)-60:], "\n")+"\n", stdout)
}

func TestTailSinceAndTimestamps(t *testing.T) {
	k, dir := newKeeper(t, Limits{1 << 20, 3})
	k.write("stdout", []byte("1\n2 begins,"))
	k.write("stderr", []byte("3\n"))
	time.Sleep(2 * time.Millisecond)
	between := time.Now()
	k.write("stdout", []byte(" 2 ends\n4\n5 is not over"))
	for _, turn := range []struct {
		o              Options
		stdout, stderr string
	}{
		{Options{Tail: 0}, "", ""},
		{Options{Tail: 1}, "5 is not over", ""},
		{Options{Tail: 3}, "4\n5 is not over", "3\n"},
		{Options{Tail: 4}, "2 begins, 2 ends\n4\n5 is not over", "3\n"},
		{Options{Tail: 99}, "1\n2 begins, 2 ends\n4\n5 is not over", "3\n"},
		{Options{Tail: -1, Since: between}, "4\n5 is not over", ""},
		{Options{Tail: 1, Since: between}, "5 is not over", ""},
		{Options{Tail: -1, Since: time.Now().Add(time.Hour)}, "", ""},
	} {
		stdout, stderr := shown(t, dir, turn.o)
		require.Equal(t, turn.stdout, stdout, "%+v", turn.o)
		require.Equal(t, turn.stderr, stderr, "%+v", turn.o)
	}
	stdout, _ := shown(t, dir, Options{Tail: -1, Timestamps: true})
	require.Regexp(t, `^\S+Z 1\n\S+Z 2 begins, 2 ends\n\S+Z 4\n\S+Z 5 is not over$`, stdout)
}

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 11, 28, 18, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"10m":                            now.Add(-10 * time.Minute),
		"1h30m":                          now.Add(-90 * time.Minute),
		"2026-11-28T17:00:00Z":           now.Add(-time.Hour),
		"2026-11-28T18:00:00.5+01:00":    now.Add(-time.Hour + time.Second/2),
		"2026-11-28":                     time.Date(2026, 11, 28, 0, 0, 0, 0, time.Local),
		"2026-11-28T17:00:00":            time.Date(2026, 11, 28, 17, 0, 0, 0, time.Local),
		fmt.Sprint(now.Unix()):           now,
		fmt.Sprintf("%d.25", now.Unix()): now.Add(time.Second / 4),
		"0":                              time.Unix(0, 0),
	} {
		got, err := ParseSince(text, now)
		require.NoError(t, err, text)
		require.True(t, want.Equal(got), "%s: %s", text, got)
	}
	for _, text := range []string{"", "yesterday", "-10m", "-5", "1.x", "2026-13-01", "10 m"} {
		_, err := ParseSince(text, now)
		require.ErrorContains(t, err, fmt.Sprintf("%q", text))
	}
}

func TestAFullDiskLosesLinesAndSaysSo(t *testing.T) {
	k, dir := newKeeper(t, Limits{1 << 20, 3})
	k.write("stdout", []byte("before\n"))
	// What cannot be written to stands for a full disk.
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	file := k.file
	k.file = full
	k.write("stdout", []byte("lost\n"))
	k.write("stderr", []byte("lost, too\n"))
	k.file = file
	full.Close()
	k.write("stdout", []byte("after\n"))
	stdout, stderr := shown(t, dir, all)
	require.Equal(t, "before\nafter\n", stdout)
	require.Regexp(t, `^\d+ bytes of this log are lost: .*no space left on device\n$`, stderr)
}

func TestALogThatCannotBeRotatedStaysBounded(t *testing.T) {
	k, dir := newKeeper(t, Limits{1000, 2})
	blocked := filepath.Join(dir, "log.1")
	require.NoError(t, os.Mkdir(blocked, 0o700))
	k.write("stdout", bytes.Repeat([]byte("y\n"), 1000))
	info, err := os.Stat(filepath.Join(dir, "log"))
	require.NoError(t, err)
	require.LessOrEqual(t, info.Size(), int64(1000))
	require.NoError(t, os.Remove(blocked))
	k.write("stdout", []byte("after\n"))
	stdout, stderr := shown(t, dir, all)
	require.True(t, strings.HasSuffix(stdout, "y\nafter\n"), stdout)
	require.Contains(t, stderr, "bytes of this log are lost: rename log")
}

// saved passes a keeper on as a monitor does: the descriptors stay open, and all else is in a file. Here both keepers close theirs.
func saved(t *testing.T, k *Keeper) *Keeper {
	t.Helper()
	content, err := json.Marshal(k.Save())
	require.NoError(t, err)
	var s Saved
	require.NoError(t, json.Unmarshal(content, &s))
	again := []*int{&s.Dir, &s.File}
	for i := range s.Streams {
		again = append(again, &s.Streams[i].FD)
	}
	for _, fd := range again {
		*fd, err = unix.FcntlInt(uintptr(*fd), unix.F_DUPFD_CLOEXEC, 0)
		require.NoError(t, err)
	}
	next, err := s.Restore(nil)
	require.NoError(t, err)
	t.Cleanup(func() { next.Close() })
	return next
}

func TestAKeeperGoesOnWhereAnotherHasEnded(t *testing.T) {
	k, dir := newKeeper(t, Limits{200, 3})
	stdout := pipe(t, k, "stdout")
	k.write("stdout", []byte("before\nhalf a line"))
	k.pace.written = 1 << 32
	next := saved(t, k)
	require.Equal(t, k.size, next.size)
	require.Greater(t, next.pace.wait(time.Now()), 5*time.Minute)
	_, err := stdout.WriteString(" and more\n")
	require.NoError(t, err)
	next.Finish()
	// The third record is too much for the first file.
	next.write("stderr", bytes.Repeat([]byte("x"), 100))
	files, _ := total(t, dir)
	require.Equal(t, 2, files)
	out, errOut := shown(t, dir, all)
	require.Equal(t, "before\nhalf a line and more\n", out)
	require.Equal(t, strings.Repeat("x", 100), errOut)
}

func TestALossIsToldByALaterKeeper(t *testing.T) {
	k, dir := newKeeper(t, Limits{1 << 20, 3})
	file := k.file
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	k.file = full
	k.write("stdout", []byte("lost\n"))
	k.file = file
	require.NoError(t, full.Close())
	saved(t, k).write("stdout", []byte("after\n"))
	stdout, stderr := shown(t, dir, all)
	require.Equal(t, "after\n", stdout)
	require.Regexp(t, `^\d+ bytes of this log are lost: .*no space left on device\n$`, stderr)
}
