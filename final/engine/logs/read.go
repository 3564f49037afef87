//go:build linux

package logs

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// pause is how often a reader that follows looks for more.
	pause = 50 * time.Millisecond
	// lastWords is how long the monitor may take to write what the container printed last.
	lastWords = 10 * time.Second
)

// Options say what of a log to show.
type Options struct {
	// Follow shows what comes later, too, until the log ends.
	Follow bool
	// Ended says that the container has ended. Its last words may be on their way.
	Ended bool
	// Tail is how many lines to show of those that are there. -1 is all.
	Tail int
	// Since leaves out lines that began earlier.
	Since time.Time
	// Timestamps puts the time before each line.
	Timestamps bool
}

// A reader reads the files of a log, the oldest first.
type reader struct {
	dir *os.File
	// files are open. To follow takes only the last, which may have got a successor.
	files []*os.File
	// rest is the beginning of a record whose end is not written yet.
	rest []byte
}

// Read shows the log in a directory: lines that went to standard output on stdout, and the others on stderr.
func Read(dir *os.File, o Options, stdout, stderr io.Writer) (err error) {
	r := &reader{dir: dir}
	defer r.close()
	for deadline := time.Now().Add(lastWords); o.Ended && !r.over() && time.Now().Before(deadline); {
		time.Sleep(pause / 10)
	}
	if r.files, err = r.open(); err != nil {
		return err
	}
	p := newPrinter(o, stdout, stderr)
	if err := r.show(o, p); err != nil {
		return err
	}
	if o.Follow {
		return r.follow(p)
	}
	return p.flush()
}

// show shows what is there now, however much comes meanwhile.
func (r *reader) show(o Options, p *printer) error {
	sizes := make([]int64, len(r.files))
	for i, file := range r.files {
		info, err := file.Stat()
		if err != nil {
			return err
		}
		sizes[i] = info.Size()
	}
	each := func(p *printer) error {
		for i, file := range r.files {
			r.rest = r.rest[:0]
			if err := r.records(io.NewSectionReader(file, 0, sizes[i]), p); err != nil {
				return err
			}
		}
		return nil
	}
	if o.Tail >= 0 {
		count := newPrinter(o, nil, nil)
		if err := each(count); err != nil {
			return err
		}
		p.skip = max(0, count.lines-o.Tail)
	}
	if err := each(p); err != nil {
		return err
	}
	if len(r.files) == 0 {
		return nil
	}
	// What follows is read on from there.
	_, err := r.files[len(r.files)-1].Seek(sizes[len(sizes)-1], io.SeekStart)
	return err
}

// follow shows what comes later, until nobody writes to the log any more.
func (r *reader) follow(p *printer) error {
	for {
		// In this order: what was written before the log was over, or before a file got a successor, is there to be read.
		over := r.over()
		next, err := r.next()
		if err != nil {
			return err
		}
		if len(r.files) > 0 {
			if err := r.records(r.files[len(r.files)-1], p); err != nil {
				return err
			}
		}
		for _, file := range next {
			r.replace(file)
			if err := r.records(file, p); err != nil {
				return err
			}
		}
		if err := p.flush(); err != nil || over {
			return err
		}
		time.Sleep(pause)
	}
}

// replace makes a file the one that is read.
func (r *reader) replace(file *os.File) {
	for _, old := range r.files {
		old.Close()
	}
	r.files, r.rest = []*os.File{file}, r.rest[:0]
}

// over reports whether nobody writes to the log any more.
func (r *reader) over() bool {
	fd := int(r.dir.Fd())
	if unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB) != nil {
		return false
	}
	_ = unix.Flock(fd, unix.LOCK_UN)
	return true
}

// next returns the files that are newer than the one that is being read. If that is gone already, these are all: what was in between
// is lost.
func (r *reader) next() ([]*os.File, error) {
	if len(r.files) == 0 {
		return r.open()
	}
	// No other file has the inode of this one as long as it is open.
	current := r.files[len(r.files)-1]
	var newest unix.Stat_t
	if unix.Fstatat(int(r.dir.Fd()), fileName(0), &newest, unix.AT_SYMLINK_NOFOLLOW) != nil || isFile(current, &newest) {
		return nil, nil
	}
	var stat unix.Stat_t
	if err := unix.Fstat(int(current.Fd()), &stat); err != nil {
		return nil, err
	}
	all, err := r.open()
	for i, file := range all {
		if isFile(file, &stat) {
			for _, old := range all[:i+1] {
				old.Close()
			}
			return all[i+1:], err
		}
	}
	return all, err
}

func isFile(file *os.File, other *unix.Stat_t) bool {
	var stat unix.Stat_t
	return unix.Fstat(int(file.Fd()), &stat) == nil && stat.Ino == other.Ino && stat.Dev == other.Dev
}

// open opens all files, the newest first, as they get older meanwhile: so one may be met twice, but none is missed.
func (r *reader) open() ([]*os.File, error) {
	oldest, err := r.oldest()
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for age := 0; age <= oldest+1; age++ {
		file, err := openAt(r.dir, fileName(age), unix.O_RDONLY)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var stat unix.Stat_t
		if len(files) > 0 && unix.Fstat(int(file.Fd()), &stat) == nil && isFile(files[0], &stat) {
			file.Close()
			continue
		}
		files = append([]*os.File{file}, files...)
	}
	return files, nil
}

// oldest is the age of the oldest file.
func (r *reader) oldest() (int, error) {
	// The names are read once, so each time takes a descriptor of its own.
	dir, err := openAt(r.dir, ".", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	oldest := 0
	for _, name := range names {
		if age, err := strconv.Atoi(strings.TrimPrefix(name, "log.")); err == nil {
			oldest = max(oldest, age)
		}
	}
	return oldest, err
}

// records passes on the records that end in what is read.
func (r *reader) records(from io.Reader, p *printer) error {
	buffer := make([]byte, maxBatch)
	for {
		n, err := from.Read(buffer)
		r.rest = append(r.rest, buffer[:n]...)
		start := 0
		for {
			end := bytes.IndexByte(r.rest[start:], '\n')
			if end == -1 {
				break
			}
			if err := p.record(r.rest[start : start+end]); err != nil {
				return err
			}
			start += end + 1
		}
		r.rest = append(r.rest[:0], r.rest[start:]...)
		if len(r.rest) > 2*maxPiece {
			// No record is so long: the file is damaged.
			r.rest = r.rest[:0]
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *reader) close() {
	for _, file := range r.files {
		file.Close()
	}
}
