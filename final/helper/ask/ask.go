//go:build linux

// Package ask runs on the host side, in the final that you started, in a monitor and in a guard. It starts final-helper, a second program
// with all that needs a large library: final itself stays small, so a container without network and images starts as fast as ever.
//
// A question is a verb and JSON on the standard input of the helper. The answer is JSON on its standard output. Nothing of a question is
// in the arguments, which every user of the host can read. proc_pid_cmdline(5)
package ask

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"container-workshop/final/stage"
)

// Name is the name of the helper. It lies beside final.
const Name = "final-helper"

// Itself says that this program is the helper, too, when its name is Name. TestMain sets it, so tests need no compiler.
var Itself bool

// An Answer is what the helper writes to its standard output. Package helper encodes it.
type Answer struct {
	// Error is empty if everything went well.
	Error string `json:",omitempty"`
	// Records are the kernel calls that the helper has made, for --explain.
	Records []stage.Record `json:",omitempty"`
	// Value is what the verb answers.
	Value json.RawMessage `json:",omitempty"`
}

// firstExtra is the descriptor of the helper that follows the standard streams.
const firstExtra = 3

// Helper starts the helper for one question, and waits for its answer. value gets what the verb answers; nil if the verb answers nothing.
// files are the descriptors 3, 4, … of the helper. The records of list get those of the helper.
func Helper(list *stage.List, verb string, question, value any, files ...*os.File) error {
	return Begin(verb, question, files...).Answer(list, value)
}

// A Pending is an answer that a helper works at.
type Pending chan answered

type answered struct {
	answer Answer
	err    error
}

// Begin is Helper without the waiting: when the helper has started, the caller has other work, and takes the answer later. The files stay open
// until then. The helper ends with this process: if somebody kills us, no helper goes on behind the back of the guard.
func Begin(verb string, question any, files ...*os.File) Pending {
	q, started := make(Pending, 1), make(chan struct{})
	start := sync.OnceFunc(func() { close(started) })
	go func() {
		// The kernel sends the parent-death signal when the thread that made the clone ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		var a answered
		a.answer, a.err = ask(verb, question, files, start)
		start()
		q <- a
		close(q)
	}()
	<-started
	return q
}

// Answer waits for the answer. Only the first call gets it; another one returns at once.
func (q Pending) Answer(list *stage.List, value any) error {
	a := <-q
	list.Records = append(list.Records, a.answer.Records...)
	switch {
	case a.err != nil:
		return a.err
	case a.answer.Error != "":
		return errors.New(a.answer.Error)
	case value != nil && a.answer.Value != nil:
		return json.Unmarshal(a.answer.Value, value)
	}
	return nil
}

// ask starts the helper, calls started, and reads the answer.
func ask(verb string, question any, files []*os.File, started func()) (answer Answer, err error) {
	program, err := open()
	if err != nil {
		return answer, err
	}
	defer program.Close()
	content, err := json.Marshal(question)
	if err != nil {
		return answer, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return answer, err
	}
	defer read.Close()
	// The helper gets itself as its last descriptor. Between fork and execve, Go puts a pipe of its own in the place of one that the child
	// does not get.
	cmd := exec.Command("/proc/self/fd/" + strconv.Itoa(firstExtra+len(files)))
	cmd.Args = []string{Name, verb}
	cmd.Stdin, cmd.Stderr, cmd.ExtraFiles = read, os.Stderr, append(slices.Clone(files), program)
	output, err := cmd.StdoutPipe()
	if err != nil {
		write.Close()
		return answer, err
	}
	// In a session of its own the helper gets no key of our terminal: Ctrl-C is for the command.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL}
	if err := cmd.Start(); err != nil {
		write.Close()
		return answer, fmt.Errorf("start %s: %w", Name, err)
	}
	// If the helper has died, nobody reads the question, and the answer is missing, too.
	read.Close()
	started()
	_, _ = write.Write(content)
	write.Close()
	if err := json.NewDecoder(output).Decode(&answer); err != nil {
		return answer, fmt.Errorf("%s %s has died without an answer: %w", Name, verb, errors.Join(cmd.Wait(), err))
	}
	// The helper has nothing left to do but end. Its end may wait for the kernel, which closes a socket of nftables only after a grace period.
	go func() { _ = cmd.Wait() }()
	return answer, nil
}

// Become makes this process the helper, for a verb that is all the helper's work. It returns only if it fails.
func Become(verb string, args []string) error {
	program, err := open()
	if err != nil {
		return err
	}
	path := "/proc/self/fd/" + strconv.Itoa(int(program.Fd()))
	err = unix.Exec(path, slices.Concat([]string{Name, verb}, args), os.Environ())
	return fmt.Errorf("start %s: %w", Name, err)
}

// Find returns an error if final has no helper that it can trust.
func Find() error {
	program, err := open()
	if err == nil {
		program.Close()
	}
	return err
}

// open opens the helper, which lies in the directory of this program.
func open() (*os.File, error) {
	self, err := os.OpenFile("/proc/self/exe", unix.O_PATH, 0)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", Name, err)
	}
	if Itself {
		return self, nil
	}
	defer self.Close()
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", Name, err)
	}
	path = filepath.Join(filepath.Dir(path), Name)
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("%s is missing: this needs the second program of final (make build/%s)", path, Name)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	file := os.NewFile(uintptr(fd), path)
	if err := check(int(self.Fd()), fd, path); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// nobody owns all files whose owner has no ID in the user namespace. proc_sys_kernel(5), overflowuid
const nobody = 65534

// inShared reports whether other users can make files beside this one, as in /tmp.
func inShared(path string) bool {
	var stat unix.Stat_t
	return unix.Stat(filepath.Dir(path), &stat) != nil || stat.Mode&unix.S_IWOTH != 0
}

// check refuses a helper that somebody could change who could not change this program. Whoever can write to the directory could replace this
// program, too, so the directory needs no check, with one exception: in a sticky directory, users can make files beside this program but cannot
// replace it, and in a user namespace the files of all these users look the same.
func check(self, helper int, path string) error {
	var ours, its unix.Stat_t
	if err := errors.Join(unix.Fstat(self, &ours), unix.Fstat(helper, &its)); err != nil {
		return fmt.Errorf("stat %s: %w", path, err)
	}
	switch {
	case its.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%s is not a regular file (make build/%s)", path, Name)
	case its.Uid != 0 && its.Uid != ours.Uid && int(its.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to user %d, who could put any program there (chown it to the owner of final)", path, its.Uid)
	case its.Uid == nobody && inShared(path):
		return fmt.Errorf("%s lies in a directory in which other users can make files, and may be theirs (move final and %s into a directory of your own)", path, Name)
	case its.Mode&unix.S_IWOTH != 0, its.Mode&unix.S_IWGRP != 0 && (ours.Mode&unix.S_IWGRP == 0 || its.Gid != ours.Gid):
		return fmt.Errorf("other users can write to %s (chmod go-w %[1]s)", path)
	}
	return nil
}
