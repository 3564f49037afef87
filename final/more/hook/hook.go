//go:build linux

// Package hook runs on the host side, on the main thread, in the host's mount namespace. It runs the programs that a configuration names
// for points in the life of a container, and waits for their end. Most hooks are children of final on the host. createContainer and
// startContainer hooks run in the namespaces of the container: [Place.Start] starts them, by a list of system calls (package become).
package hook

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A Place is where hooks run: a directory, "" for the current one, and the environment for hooks that do not name one.
type Place struct {
	Dir string
	Env []string
	// Tied hooks end with us: without a container there is nothing for them to do.
	Tied bool
	// Start starts a hook somewhere else: Dir, Env and Tied do not count then. Nil starts it here.
	Start Start
}

// A Start starts a hook with standard streams.
type Start func(h *specs.Hook, streams [3]*os.File) (Running, error)

// A Running is a hook at work. Its end is that of a process: see [exec.Cmd.Wait]. Kill ends it.
type Running interface {
	WaitHook() error
	KillHook()
}

// Run runs hooks in their order, each to its end, with the state of the container on standard input. The first that fails ends
// the list: which one, and what it has printed at last, is in the error. Point is its name in the configuration, for that. A hook
// that does not read its input is no failure. config.md, "POSIX-platform Hooks"
func Run(point string, hooks []specs.Hook, state []byte, place Place) error {
	run, err := Prepare(point, hooks, state, place)
	if err != nil {
		return err
	}
	return run()
}

// RunOne runs one hook of a list, which is at that index.
func RunOne(point string, hooks []specs.Hook, index int, state []byte, place Place) error {
	run, err := prepare(point, hooks[index:index+1], index, state, place)
	if err != nil {
		return err
	}
	return run()
}

// Prepare is Run for later: what it returns opens no file of ours any more.
func Prepare(point string, hooks []specs.Hook, state []byte, place Place) (run func() error, err error) {
	return prepare(point, hooks, 0, state, place)
}

func prepare(point string, hooks []specs.Hook, first int, state []byte, place Place) (run func() error, err error) {
	// Files, not pipes: nobody has to write or to read them while a hook runs. memfd_create(2)
	input, err := memory("state", state)
	if err != nil {
		return nil, err
	}
	output, err := memory("output", nil)
	if err != nil {
		input.Close()
		return nil, err
	}
	return func() error {
		defer input.Close()
		defer output.Close()
		for i := range hooks {
			if err := runOne(&hooks[i], input, output, place); err != nil {
				// Users of engines know these words from runc.
				return fmt.Errorf("error running %s hook #%d: %s: %w", point, first+i, hooks[i].Path, err)
			}
		}
		return nil
	}, nil
}

func runOne(h *specs.Hook, input, output *os.File, place Place) error {
	if err := errors.Join(rewind(input), output.Truncate(0), rewind(output)); err != nil {
		return err
	}
	start := place.Start
	if start == nil {
		start = place.start
	}
	running, err := start(h, [3]*os.File{input, output, output})
	if err != nil {
		return err
	}
	late := make(chan struct{})
	if h.Timeout != nil {
		timer := time.AfterFunc(time.Duration(*h.Timeout)*time.Second, func() {
			close(late)
			running.KillHook()
		})
		defer timer.Stop()
	}
	err = running.WaitHook()
	select {
	case <-late:
		return fmt.Errorf("killed, because it took longer than %d s", *h.Timeout)
	default:
	}
	if err != nil {
		return fmt.Errorf("%w%s", err, lastWords(output))
	}
	return nil
}

// start starts a hook here.
func (p *Place) start(h *specs.Hook, streams [3]*os.File) (Running, error) {
	cmd := exec.Command(h.Path)
	cmd.Args = h.Args
	if len(h.Args) == 0 {
		cmd.Args = []string{h.Path}
	}
	env := h.Env
	if env == nil {
		env = p.Env
	}
	// Nil would be our own.
	cmd.Dir, cmd.Env = p.Dir, append([]string{}, env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = streams[0], streams[1], streams[2]
	if p.Tied {
		// It ends with the thread that starts it, to which we are locked. PR_SET_PDEATHSIG(2const)
		cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	}
	return command{cmd}, cmd.Start()
}

type command struct{ *exec.Cmd }

func (c command) WaitHook() error { return c.Wait() }

func (c command) KillHook() { _ = c.Process.Kill() }

func rewind(file *os.File) error {
	_, err := file.Seek(0, io.SeekStart)
	return err
}

// memory makes a file in memory.
func memory(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), name)
	_, err = file.Write(content)
	return file, err
}

// most is how much of what a failed hook has printed is told, in bytes.
const most = 1024

func lastWords(output *os.File) string {
	size, err := output.Seek(0, io.SeekEnd)
	if err != nil {
		return ""
	}
	text := make([]byte, min(size, most))
	n, _ := output.ReadAt(text, size-int64(len(text)))
	if words := strings.TrimSpace(string(text[:n])); words != "" {
		return ", and printed: " + words
	}
	return ""
}

// A List is hooks that keep their meaning when they are written as JSON and read again: a hook with an empty environment is not the
// same as a hook that names no environment.
type List []specs.Hook

// MarshalJSON writes null for an environment that is not named.
func (l List) MarshalJSON() ([]byte, error) {
	type whole struct {
		specs.Hook
		Env []string `json:"env"`
	}
	all := make([]whole, len(l))
	for i, h := range l {
		all[i] = whole{h, h.Env}
	}
	return json.Marshal(all)
}

// Lists are the hooks of a configuration by the names of their points.
func Lists(h *specs.Hooks) map[string]List {
	if h == nil {
		return nil
	}
	return map[string]List{
		//lint:ignore SA1019 engines still ask for it
		"prestart": h.Prestart, "createRuntime": h.CreateRuntime, "createContainer": h.CreateContainer,
		"startContainer": h.StartContainer, "poststart": h.Poststart, "poststop": h.Poststop,
	}
}
