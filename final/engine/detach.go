//go:build linux

package engine

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"

	"golang.org/x/sys/unix"

	"container-workshop/final/container"
	"container-workshop/final/engine/flags"
	"container-workshop/final/engine/logs"
	"container-workshop/final/guard"
	"container-workshop/final/process"
	"container-workshop/final/terminal"
)

// An order tells a monitor what to run. It comes through a pipe, because every user of the host can read the arguments of a process, and
// there may be a password among them. proc_pid_cmdline(5)
type order struct {
	// Args are the arguments of run. Env is what --env-file and --env say. Both are bytes: JSON would replace bytes that are not UTF-8.
	Args, Env [][]byte
	// Systemd says that systemd makes the cgroups.
	Systemd bool
}

// A started is the answer of a monitor: the ID of the container that it has started, or why it has not.
type started struct {
	ID     string
	Error  string
	Status int
	// Told is what the caller has to know: see [container.Store].
	Told []string `json:",omitempty"`
}

// Detach starts a monitor, which runs the container, and prints the ID when the container runs.
func Detach(store *container.Store, args []string, options *flags.Options, systemd bool) (int, error) {
	read, report, err := os.Pipe()
	if err != nil {
		return process.StatusFailed, err
	}
	defer read.Close()
	orders, write, err := os.Pipe()
	if err != nil {
		return process.StatusFailed, err
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{os.Args[0], "--root", store.Root, "monitor"}
	cmd.ExtraFiles = []*os.File{report, orders}
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return process.StatusFailed, err
	}
	report.Close()
	orders.Close()
	// If the monitor has died, the next call says so.
	_ = json.NewEncoder(write).Encode(order{byteSlices(args), byteSlices(options.Env), systemd})
	write.Close()
	var s started
	if err := json.NewDecoder(read).Decode(&s); err != nil {
		return process.StatusFailed, fmt.Errorf("the monitor of the container has died: %w", errors.Join(err, cmd.Wait()))
	}
	for _, message := range s.Told {
		store.Tell(message)
	}
	if s.Error != "" {
		return s.Status, errors.New(s.Error)
	}
	_, err = fmt.Println(s.ID)
	return 0, err
}

func byteSlices(list []string) [][]byte {
	all := make([][]byte, len(list))
	for i, s := range list {
		all[i] = []byte(s)
	}
	return all
}

func texts(list [][]byte) []string {
	all := make([]string, len(list))
	for i, b := range list {
		all[i] = string(b)
	}
	return all
}

// Monitor makes a detached container, and stays with the container: the monitor is the parent of process 1, so it learns how process 1
// ends. It also keeps the log. Who starts it: run, in a session of its own. How it ends: with the container. If somebody kills the monitor,
// the container goes on until it prints: see [logs.Keeper.AddPipe].
//
// While nothing happens, the process of the monitor is a list of system calls, which waits: see monitor.go.
func Monitor(store *container.Store) (int, error) {
	report, orders := os.NewFile(3, "report"), os.NewFile(4, "order")
	// The monitor survives the end of the caller's session, and the caller's limit on the size of files. It catches these signals and reads
	// none: see ignored.
	signal.Notify(make(chan os.Signal, 1), ignored...)
	var o order
	if err := json.NewDecoder(orders).Decode(&o); err != nil {
		return process.StatusFailed, fmt.Errorf("read what to run: %w", err)
	}
	orders.Close()
	answer := started{Status: process.StatusFailed}
	store.Tell = func(message string) { answer.Told = append(answer.Told, message) }
	store.Asked = InFlags(store.Tell)
	m, err := startDetached(store, &o)
	if err != nil {
		answer.Error = err.Error()
		var failure *process.Failure
		if errors.As(err, &failure) {
			answer.Status = failure.Status
		}
	} else {
		answer.ID = m.run.ID
	}
	_ = json.NewEncoder(report).Encode(answer)
	report.Close()
	if err != nil {
		return process.StatusFailed, nil
	}
	return m.watch()
}

func startDetached(store *container.Store, o *order) (*monitor, error) {
	options, command, err := flags.ParseRun(texts(o.Args))
	if err != nil {
		return nil, err
	}
	options.Env, options.EnvFiles = texts(o.Env), nil
	console := terminal.NewConsole(os.Stdin, os.Stdout)
	request, err := MakeRequest(store, options, command, console, o.Systemd)
	if err != nil {
		return nil, err
	}
	request.Detached, request.Keep = true, !options.Remove
	m := &monitor{store: store, input: -1}
	if options.Interactive {
		read, write, err := pipe()
		if err != nil {
			return nil, err
		}
		m.input = write
		request.Streams[0] = os.NewFile(uintptr(read), "input")
	}
	var output []int
	if !request.Spec.Process.Terminal {
		for stream := 1; stream <= 2; stream++ {
			read, write, err := pipe()
			if err != nil {
				return nil, err
			}
			output, request.Streams[stream] = append(output, read), os.NewFile(uintptr(write), "output")
			// Only the command keeps its end open.
			defer request.Streams[stream].Close()
		}
	}
	watcher, err := guard.Start(console)
	if err != nil {
		return nil, err
	}
	// Once the container runs, it does not need us any more.
	defer watcher.Dismiss()
	if err := watcher.Watch(store.Root, request.ID, console); err != nil {
		return nil, err
	}
	if m.run, err = store.Create(request); err != nil {
		return nil, Suggest(options, command, request.Spec.Mounts, err)
	}
	m.keeper, err = keepLog(m.run, options, output)
	if err == nil {
		err = m.run.Start()
	}
	if err != nil {
		return nil, cmp.Or(err, m.run.Remove())
	}
	return m, nil
}

// pipe makes a pipe. Its ends block, as a command expects, and the ends of os.Pipe do not. pipe(2)
func pipe() (read, write int, err error) {
	var ends [2]int
	err = unix.Pipe2(ends[:], unix.O_CLOEXEC)
	return ends[0], ends[1], os.NewSyscallError("pipe", err)
}

// keepLog keeps the output of the command from the first byte on: its standard output and error, or its terminal.
func keepLog(r *container.Run, options *flags.Options, output []int) (*logs.Keeper, error) {
	dir, err := makeLog(r.ID)
	if err != nil {
		return nil, err
	}
	keeper, err := logs.Keep(dir, logs.Limits{Size: options.LogSize, Files: options.LogFiles})
	if err != nil {
		return nil, err
	}
	if r.Terminal != nil {
		keeper.AddTerminal(int(r.Terminal.Master.Fd()), r.Terminal)
	}
	for i, pipe := range output {
		if err := keeper.AddPipe([]string{"stdout", "stderr"}[i], pipe); err != nil {
			return nil, err
		}
	}
	return keeper, nil
}
