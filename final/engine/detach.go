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
	"path/filepath"

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

// Monitor stays with a detached container: it is the parent of its process 1, and so learns how that ends. It also keeps the log. Who
// starts it: run, in a session of its own. How it ends: with the container. The container does not end with it, unless it prints:
// see [logs.Keeper.CopyPipe].
func Monitor(store *container.Store) (int, error) {
	report, orders := os.NewFile(3, "report"), os.NewFile(4, "order")
	// The monitor survives the end of the caller's session, and the caller's limit on the size of files. It catches these signals and reads
	// none: if it ignored them, the command would inherit that.
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGXFSZ)
	var o order
	if err := json.NewDecoder(orders).Decode(&o); err != nil {
		return process.StatusFailed, fmt.Errorf("read what to run: %w", err)
	}
	orders.Close()
	r, keeper, err := startDetached(store, &o)
	answer := started{Status: process.StatusFailed}
	if err != nil {
		answer.Error = err.Error()
		var failure *process.Failure
		if errors.As(err, &failure) {
			answer.Status = failure.Status
		}
	} else {
		answer.ID = r.ID
	}
	_ = json.NewEncoder(report).Encode(answer)
	report.Close()
	if err != nil {
		return process.StatusFailed, nil
	}
	return watch(r, keeper)
}

func startDetached(store *container.Store, o *order) (*container.Run, *logs.Keeper, error) {
	options, command, err := flags.ParseRun(texts(o.Args))
	if err != nil {
		return nil, nil, err
	}
	options.Env, options.EnvFiles = texts(o.Env), nil
	console := terminal.NewConsole(os.Stdin, os.Stdout)
	request, err := MakeRequest(store, options, command, console, o.Systemd)
	if err != nil {
		return nil, nil, err
	}
	request.Detached, request.Keep = true, !options.Remove
	if options.Interactive {
		// The monitor keeps the other end open, and never writes.
		read, _, err := pipe()
		if err != nil {
			return nil, nil, err
		}
		request.Streams[0] = os.NewFile(uintptr(read), "input")
	}
	var output []int
	if !request.Spec.Process.Terminal {
		for stream := 1; stream <= 2; stream++ {
			read, write, err := pipe()
			if err != nil {
				return nil, nil, err
			}
			output, request.Streams[stream] = append(output, read), os.NewFile(uintptr(write), "output")
			// Only the command keeps its end open.
			defer request.Streams[stream].Close()
		}
	}
	watcher, err := guard.Start(console)
	if err != nil {
		return nil, nil, err
	}
	// Once the container runs, it does not need us any more.
	defer watcher.Dismiss()
	if err := watcher.Watch(store.Root, request.ID, console); err != nil {
		return nil, nil, err
	}
	r, err := store.Create(request)
	if err != nil {
		return nil, nil, err
	}
	keeper, err := keepLog(r, options, output)
	if err == nil {
		err = r.Start()
	}
	if err != nil {
		return nil, nil, cmp.Or(err, r.Remove())
	}
	return r, keeper, nil
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
		// A terminal ends by itself when the command has ended.
		keeper.Copy("stdout", r.Terminal)
	}
	for i, pipe := range output {
		if err := keeper.CopyPipe([]string{"stdout", "stderr"}[i], pipe); err != nil {
			return nil, err
		}
	}
	return keeper, nil
}

// watch waits for the end of a detached container, and closes its log.
func watch(r *container.Run, keeper *logs.Keeper) (int, error) {
	status := r.WaitDetached()
	keeper.Finish()
	if err := r.OOM(status); err != nil {
		keeper.Note(fmt.Sprintf("%s: %v", filepath.Base(os.Args[0]), err))
	}
	// Now the log is complete: logs --follow ends here.
	err := keeper.Close()
	if !r.Keep {
		return 0, cmp.Or(r.Remove(), err)
	}
	return 0, cmp.Or(r.Finish(status), err)
}
