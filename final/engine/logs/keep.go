//go:build linux

// Package logs runs on the host side. It keeps what a detached container prints, and reads it back.
//
// A log is a directory that no container can see. The file "log" in it is being written, "log.1" is older, and so on. Each line
// of a file is a record, in the format of Kubernetes' Container Runtime Interface, which podman's k8s-file shares:
//
//	2026-11-28T18:00:22.000000001Z stdout F a line that the container printed
//
// P in place of F marks a piece of a line: the rest follows in later records of the same stream.
//
// The monitor writes (Keeper), and the verb logs reads (Read). As long as the monitor may still write, it holds a lock on the
// directory. The kernel releases that lock when the monitor is killed, so nobody waits for a dead one. flock(2)
package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// timeFormat has nine digits after the second, unlike time.RFC3339Nano, so that records line up.
const timeFormat = "2006-01-02T15:04:05.000000000Z07:00"

const (
	// maxPiece is how much of a line a record has at most, in bytes. Longer lines take several records.
	maxPiece = 16 << 10
	// maxBatch is how much is written at once.
	maxBatch = 64 << 10
)

// Limits say how much of a log is kept.
type Limits struct {
	// Size is how large a file may grow, in bytes, unless a single record is larger. -1 is no limit.
	Size int64
	// Files is how many files there are at most.
	Files int
}

// A Keeper writes the log of one container. When the disk is full it drops what the container prints, and later says how much:
// the container never waits for space.
type Keeper struct {
	limits  Limits
	dir     *os.File
	streams []Stream
	// rest is that of AddTerminal.
	rest io.Reader
	pace pace

	// file is nil if "log" could not be made.
	file *os.File
	// size is that of file, and batch has the records that are not written yet.
	size  int64
	batch []byte
	// lost is how many bytes of records could not be written, and cause is why.
	lost  int
	cause error
}

// Keep starts a log in an empty directory, which is the keeper's then.
func Keep(dir *os.File, limits Limits) (*Keeper, error) {
	k := &Keeper{limits: limits, dir: dir, pace: pace{burst: burst, rate: rate, since: time.Now()}}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		err = fmt.Errorf("lock %s: %w", dir.Name(), err)
		return nil, errors.Join(err, dir.Close())
	}
	if err := k.open(); err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return k, nil
}

// openAt opens a file of the log. None of them is a link.
func openAt(dir *os.File, name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir.Name() + "/" + name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// open makes a new file to write to.
func (k *Keeper) open() (err error) {
	k.size = 0
	k.file, err = openAt(k.dir, fileName(0), unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_APPEND)
	return err
}

// fileName names the files of a log from the newest on.
func fileName(age int) string {
	if age == 0 {
		return "log"
	}
	return fmt.Sprintf("log.%d", age)
}

// write keeps what a stream has brought. A line that is not over yet is kept as a piece at once: it may be a question that waits
// for an answer, and we may be killed.
func (k *Keeper) write(stream string, data []byte) {
	head := header(stream)
	for len(data) > 0 {
		tag, piece, rest := byte('P'), data[:min(len(data), maxPiece)], data[min(len(data), maxPiece):]
		if end := bytes.IndexByte(data, '\n'); end >= 0 && end <= maxPiece {
			tag, piece, rest = 'F', data[:end], data[end+1:]
		}
		k.add(head, tag, piece)
		data = rest
	}
	k.flush()
}

// header is how the records begin that a stream has now.
func header(stream string) string { return time.Now().UTC().Format(timeFormat) + " " + stream + " " }

func appendRecord(to []byte, head string, tag byte, content []byte) []byte {
	return append(append(append(append(to, head...), tag, ' '), content...), '\n')
}

// Note adds a line of ours, as if the container had printed it to standard error.
func (k *Keeper) Note(line string) { k.write("stderr", []byte(line+"\n")) }

// add puts a record into the batch.
func (k *Keeper) add(head string, tag byte, content []byte) {
	full := maxBatch
	if k.limits.Size > 0 {
		full = int(min(k.limits.Size, maxBatch))
	}
	if len(k.batch)+len(head)+len(content)+len("F \n") > full {
		k.flush()
	}
	k.batch = appendRecord(k.batch, head, tag, content)
}

// flush writes the batch. What was lost before is told first.
func (k *Keeper) flush() {
	if len(k.batch) == 0 {
		return
	}
	k.pace.written += int64(len(k.batch)) + perWrite
	err := k.tellLost()
	if err == nil {
		err = k.put(k.batch)
	}
	if err != nil {
		k.lost, k.cause = k.lost+len(k.batch), err
	}
	k.batch = k.batch[:0]
}

func (k *Keeper) tellLost() error {
	if k.lost == 0 {
		return nil
	}
	line := fmt.Appendf(nil, "%d bytes of this log are lost: %v", k.lost, k.cause)
	err := k.put(appendRecord(nil, header("stderr"), 'F', line))
	if err == nil {
		k.lost, k.cause = 0, nil
	}
	return err
}

// put writes records to the file, or to a new one where they are too many for it: all of them or none.
func (k *Keeper) put(records []byte) error {
	if k.limits.Size > 0 && k.size > 0 && k.size+int64(len(records)) > k.limits.Size {
		if err := k.rotate(); err != nil {
			return err
		}
	}
	if k.file == nil {
		if err := k.open(); err != nil {
			return err
		}
	}
	if _, err := k.file.Write(records); err != nil {
		return errors.Join(err, k.file.Truncate(k.size))
	}
	k.size += int64(len(records))
	return nil
}

// rotate makes each file one older, and removes the oldest. If that fails halfway, the next attempt goes on from there: until then
// nothing is written, so that the log stays bounded. rename(2)
func (k *Keeper) rotate() error {
	dir := int(k.dir.Fd())
	for age := k.limits.Files - 1; age > 0; age-- {
		err := unix.Renameat(dir, fileName(age-1), dir, fileName(age))
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("rename %s: %w", fileName(age-1), err)
		}
	}
	if err := unix.Unlinkat(dir, fileName(0), 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove %s: %w", fileName(0), err)
	}
	k.file.Close()
	k.file, k.size = nil, 0
	return nil
}

// Close ends the log, and releases its lock.
func (k *Keeper) Close() error {
	k.flush()
	if k.lost > 0 {
		_ = k.tellLost()
	}
	if k.file != nil {
		k.file.Close()
	}
	return k.dir.Close()
}
