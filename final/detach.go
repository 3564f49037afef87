//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"golang.org/x/sys/unix"

	"container-workshop/final/container"
)

// A started is what a monitor tells of the container that it has started, or has not.
type started struct {
	ID     string
	Error  string
	Status int
}

// detach starts a monitor, which runs the container, and prints the ID of that when it runs.
func detach(root string, args []string) (int, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return container.StatusFailed, err
	}
	defer read.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append([]string{os.Args[0], "--root", root, "monitor"}, args...)
	cmd.ExtraFiles = []*os.File{write}
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return container.StatusFailed, err
	}
	write.Close()
	var s started
	if err := json.NewDecoder(read).Decode(&s); err != nil {
		return container.StatusFailed, fmt.Errorf("the monitor of the container has died: %w", errors.Join(err, cmd.Wait()))
	}
	if s.Error != "" {
		return s.Status, errors.New(s.Error)
	}
	_, err = fmt.Println(s.ID)
	return 0, err
}

// monitor stays with a detached container: it is the parent of its process 1, and so learns how that ends. Who starts it: run,
// in a session of its own. How it ends: with the container. The container does not end with it.
func monitor(root string, args []string) (int, error) {
	report := os.NewFile(3, "report")
	unix.CloseOnExec(3)
	// We do not end with the session of the caller. Nobody reads them: were they ignored, the command would ignore them too.
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGTERM)
	r, err := startDetached(root, args)
	answer := started{Status: container.StatusFailed}
	if err != nil {
		answer.Error = err.Error()
		var failure *container.Failure
		if errors.As(err, &failure) {
			answer.Status = failure.Status
		}
	} else {
		answer.ID = r.ID
	}
	_ = json.NewEncoder(report).Encode(answer)
	report.Close()
	if err != nil {
		return container.StatusFailed, nil
	}
	return watch(r)
}

func startDetached(root string, args []string) (*container.Run, error) {
	options, command, err := parseRun(args)
	if err != nil {
		return nil, err
	}
	console := container.NewConsole(os.Stdin, os.Stdout)
	request, err := newRequest(root, options, command, console)
	if err != nil {
		return nil, err
	}
	request.Detached, request.Keep = true, !options.Remove
	if options.Interactive {
		// What we have of it stays open, and silent, as long as we are there.
		var pipe [2]int
		if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
			return nil, os.NewSyscallError("pipe", err)
		}
		request.Streams[0] = os.NewFile(uintptr(pipe[0]), "input")
	}
	guard, err := container.StartGuard(console)
	if err != nil {
		return nil, err
	}
	// From when it runs it is to go on without us.
	defer guard.Dismiss()
	if err := guard.Watch(root, request.ID, console); err != nil {
		return nil, err
	}
	r, err := container.Create(root, request)
	if err != nil {
		return nil, err
	}
	if err := r.Start(); err != nil {
		return nil, joined(err, r.Remove())
	}
	return r, nil
}

// watch waits for the end of a detached container.
func watch(r *container.Run) (int, error) {
	logged := make(chan struct{})
	if r.Terminal == nil {
		close(logged)
	} else {
		log, err := r.OpenLog()
		if err != nil {
			return container.StatusFailed, err
		}
		defer log.Close()
		go func() {
			_, _ = io.Copy(log, r.Terminal)
			close(logged)
		}()
	}
	status := r.WaitDetached()
	<-logged
	if err := tooMuchMemory(r, status); err != nil {
		noteInLog(r, err)
	}
	if !r.Keep {
		return 0, r.Remove()
	}
	return 0, r.Finish(status)
}

// noteInLog adds a line of ours to what a container has printed.
func noteInLog(r *container.Run, err error) {
	if log, openErr := r.OpenLog(); openErr == nil {
		fmt.Fprintf(log, "%s: %v\n", filepath.Base(os.Args[0]), err)
		log.Close()
	}
}
