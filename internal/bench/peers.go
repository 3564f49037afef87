//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A peer is a program that can run a container.
type peer struct {
	name, path, version string
	// runtime tells that it knows the verbs of an OCI runtime.
	runtime bool
	// run returns the command line that runs a container in the foreground.
	run func(b *bench, c container) ([]string, error)
}

// Names of peers, as they are in the tables.
const (
	final      = "final"
	before     = "before"
	crun       = "crun"
	runc       = "runc"
	bubblewrap = "bubblewrap"
	bareCalls  = "bare calls"
)

// findPeers fills in the peers that this machine has, and what to do about the others.
func (b *bench) findPeers() error {
	b.addRuntime(final, b.final)
	if b.before != "" {
		if _, err := os.Stat(b.before); err != nil {
			return fmt.Errorf("--before: %w", err)
		}
		b.addRuntime(before, b.before)
	}
	for _, name := range []string{crun, runc} {
		if path, err := exec.LookPath(name); err == nil {
			b.addRuntime(name, path)
		} else {
			b.missing = append(b.missing, fmt.Sprintf("%s is not installed: apt-get install %[1]s", name))
		}
	}
	if path, err := exec.LookPath("bwrap"); err == nil {
		b.peers = append(b.peers, &peer{name: bubblewrap, path: path, version: firstLine(path, "--version"), run: wrap})
	} else {
		b.missing = append(b.missing, "bubblewrap is not installed: apt-get install bubblewrap")
	}
	calls := b.path("calls")
	if err := compile(b.calls, calls); err == nil {
		b.peers = append(b.peers, &peer{name: bareCalls, path: calls, version: firstLine("cc", "--version"), run: call})
	} else if _, missing := exec.LookPath("cc"); missing != nil {
		b.missing = append(b.missing, "there is no C compiler for the bare calls: apt-get install gcc libc6-dev")
	} else {
		return fmt.Errorf("%s: %w", b.calls, err)
	}
	return nil
}

func (b *bench) addRuntime(name, path string) {
	b.peers = append(b.peers, &peer{name: name, path: path, version: firstLine(path, "--version"), runtime: true})
	added := b.peers[len(b.peers)-1]
	added.run = func(b *bench, c container) ([]string, error) { return added.onBundle(b, c, "run") }
}

// command returns a command line of a runtime, which keeps its state in memory.
func (p *peer) command(b *bench, args ...string) []string {
	return append([]string{p.path, "--root", b.path("state", p.name)}, args...)
}

// onBundle returns the command line of a verb that takes a bundle.
func (p *peer) onBundle(b *bench, c container, verb string, flags ...string) ([]string, error) {
	dir, err := b.bundle(c)
	return p.command(b, append(append([]string{verb, "--bundle", dir}, flags...), c.id)...), err
}

// wrap is bubblewrap. It makes the namespaces and the mounts, but neither cgroups nor limits, nor covers for files of /proc.
func wrap(b *bench, c container) ([]string, error) {
	bwrap, err := exec.LookPath("bwrap")
	line := []string{bwrap, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--hostname", "container",
		"--new-session", "--die-with-parent", "--ro-bind", b.path("rootfs"), "/", "--proc", "/proc", "--dev", "/dev",
		"--mqueue", "/dev/mqueue", "--ro-bind", "/sys", "/sys", "--cap-drop", "ALL", "--cap-add", "CAP_KILL",
		"--cap-add", "CAP_NET_BIND_SERVICE", "--cap-add", "CAP_AUDIT_WRITE"}
	for i := range c.binds {
		line = append(line, "--ro-bind", b.path("source"), fmt.Sprintf("/binds/%d", i))
	}
	return append(append(line, "--"), c.args...), err
}

// call is the program of bare calls.
func call(b *bench, c container) ([]string, error) {
	return append([]string{b.path("calls"), "run", b.path("rootfs"), filepath.Join(parent, c.id), fmt.Sprint(c.limit()),
		b.path("source"), fmt.Sprint(c.binds)}, c.args...), nil
}

// firstLine returns the first line that a program prints.
func firstLine(path string, args ...string) string {
	output, _ := exec.Command(path, args...).Output()
	line, _, _ := strings.Cut(string(output), "\n")
	return line
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
