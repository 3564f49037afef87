//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

var (
	toTrue  = []string{"/bin/true"}
	toSleep = []string{"/bin/sleep", "1000"}
)

// Rows of the first table. The plot shows them, too.
const (
	runMinimal  = "run, minimal"
	runEngine   = "run, engine"
	execTrue    = "exec"
	createStart = "create + start + delete"
)

// measureStarts times one container at a time.
func (b *bench) measureStarts() error {
	t := table{name: "One container", about: startsAbout}
	for _, engine := range []bool{false, true} {
		name, chosen := runMinimal, all
		if engine {
			name, chosen = runEngine, isRuntime
		}
		tasks := b.each(chosen, func(p *peer) (float64, error) { return b.run(p, container{id: "run", engine: engine, args: toTrue}) })
		t.rows = append(t.rows, b.warmAndCold(name, tasks)...)
	}
	rows, err := b.measureExec()
	if err != nil {
		return err
	}
	t.rows = append(t.rows, rows...)
	tasks := b.each(isRuntime, func(p *peer) (float64, error) { return b.lifecycle(p, container{id: "life", args: toTrue}) })
	t.rows = append(t.rows, b.warmAndCold(createStart, tasks)...)
	if rows, err = b.measureRootless(); err != nil {
		return err
	}
	t.rows = append(t.rows, rows...)
	b.tables = append(b.tables, t)
	return nil
}

func (b *bench) warmAndCold(name string, tasks []task) []row {
	return []row{
		b.alternate(name+", warm", "ms", b.runs, warm, tasks),
		b.alternate(name+", cold", "ms", b.runs, cold, tasks),
	}
}

// run times a container from start to end. What a failure leaves is removed.
func (b *bench) run(p *peer, c container) (float64, error) {
	line, err := p.run(b, c)
	if err != nil {
		return 0, err
	}
	took, err := b.clock(line...)
	if err != nil && p.runtime {
		b.remove(p, c.id)
	}
	return took, err
}

// lifecycle times what an engine does with a runtime: create, start, wait for the end, delete.
func (b *bench) lifecycle(p *peer, c container) (took float64, err error) {
	defer func() {
		if err != nil {
			b.remove(p, c.id)
		}
	}()
	pidFile := b.path("pid")
	_ = os.Remove(pidFile)
	create, err := p.onBundle(b, c, "create", "--pid-file", pidFile)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if _, err := b.clock(create...); err != nil {
		return 0, fmt.Errorf("create: %w", err)
	}
	process, err := openProcess(pidFile)
	if err != nil {
		return 0, err
	}
	defer unix.Close(process)
	if _, err := b.clock(p.command(b, "start", c.id)...); err != nil {
		return 0, fmt.Errorf("start: %w", err)
	}
	if err := awaitEnd(process); err != nil {
		return 0, err
	}
	if _, err := b.clock(p.command(b, "delete", c.id)...); err != nil {
		return 0, fmt.Errorf("delete: %w", err)
	}
	return float64(time.Since(begin).Microseconds()) / 1000, nil
}

// awaitEnd waits until a process has ended, and process 1 has reaped it.
func awaitEnd(process int) error {
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(process), Events: unix.POLLIN}}, int(limit.Milliseconds()))
		if err == nil {
			break
		}
		if err != unix.EINTR {
			return fmt.Errorf("wait for the container: %w", err)
		}
	}
	for begin := time.Now(); unix.PidfdSendSignal(process, 0, nil, 0) == nil; time.Sleep(20 * time.Microsecond) {
		if time.Since(begin) > limit {
			return errors.New("the container's process does not end")
		}
	}
	return nil
}

func openProcess(pidFile string) (int, error) {
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, err
	}
	return unix.PidfdOpen(pid, 0)
}

// measureExec times a command that joins a running container.
func (b *bench) measureExec() ([]row, error) {
	lines := map[string][]string{}
	for _, p := range b.peers {
		if !knowsExec(p) {
			continue
		}
		c := container{id: "exec-" + strings.ReplaceAll(p.name, " ", "-"), args: toSleep}
		pid, stop, err := b.keep(p, c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		defer stop()
		lines[p.name] = []string{p.path, "exec", fmt.Sprint(pid), filepath.Join(parent, c.id), "/bin/true"}
		if p.runtime {
			lines[p.name] = p.command(b, "exec", c.id, "/bin/true")
		}
	}
	return b.warmAndCold(execTrue, b.each(knowsExec, func(p *peer) (float64, error) { return b.clock(lines[p.name]...) })), nil
}

// keep starts a container that goes on until stop: detached if the peer can do that.
func (b *bench) keep(p *peer, c container) (pid int, stop func(), err error) {
	if !p.runtime {
		return b.inForeground(p, c)
	}
	line, err := p.onBundle(b, c, "run", "--detach")
	if err != nil {
		return 0, nil, err
	}
	known := commands()
	if _, err = b.clock(line...); err != nil {
		return 0, nil, err
	}
	stop = func() { b.remove(p, c.id) }
	if pid, err = newCommand(known); err != nil {
		stop()
	}
	return pid, stop, err
}

// remove ends a container. It may be gone already.
func (b *bench) remove(p *peer, id string) { _, _ = b.clock(p.command(b, "delete", "--force", id)...) }

// inForeground starts a container with its runtime beside it, and returns when its command runs.
func (b *bench) inForeground(p *peer, c container) (pid int, stop func(), err error) {
	line, err := p.run(b, c)
	if err != nil {
		return 0, nil, err
	}
	cmd, finish, err := b.prepare(line)
	if err != nil {
		return 0, nil, err
	}
	known := commands()
	if err := cmd.Start(); err != nil {
		return 0, nil, finish(err)
	}
	if pid, err = newCommand(known); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return 0, nil, finish(err)
	}
	return pid, func() {
		_ = unix.Kill(pid, unix.SIGKILL)
		_ = finish(cmd.Wait())
	}, nil
}
