//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"container-workshop/final/container"
	"container-workshop/final/process"
	"container-workshop/final/rootless"
	"container-workshop/final/spec"
)

// bundle holds the flags of create and of run --bundle, for a config.json that the caller has written. bundle.md
type bundle struct {
	dir, config                         string
	pidFile, consoleSocket, pidfdSocket string
	noPivot, noNewKeyring               bool
	preserveFDs                         int
}

func (b *bundle) addFlags(set *pflag.FlagSet) {
	set.StringVarP(&b.dir, "bundle", "b", "", "bundle `DIR`, with config.json (default: the working directory)")
	set.StringVarP(&b.config, "config", "f", "config.json", "read the configuration from `FILE`")
	set.StringVar(&b.pidFile, "pid-file", "", "write the PID of process 1 to `FILE`")
	set.StringVar(&b.consoleSocket, "console-socket", "", "send the terminal to this Unix `SOCKET`")
	set.StringVar(&b.pidfdSocket, "pidfd-socket", "", "send a pidfd of process 1 to this Unix `SOCKET`")
	set.BoolVar(&b.noPivot, "no-pivot", false, "change the root directory without pivot_root, on an initramfs: this is less secure")
	set.BoolVar(&b.noNewKeyring, "no-new-keyring", false, "keep the caller's session keyring")
	set.IntVar(&b.preserveFDs, "preserve-fds", 0, "pass `N` open descriptors to the command, from 3 on")
}

// request reads the configuration, and refuses what is wrong with it before anything is made.
func (b *bundle) request(id string) (*container.Request, error) {
	if err := spec.ValidateID(id); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(b.dir)
	if err != nil {
		return nil, err
	}
	name := b.config
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	file, err := spec.OpenInput(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w (a bundle needs a config.json: create one with final spec)", err)
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	config, err := spec.Load(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if rootless.Entered() {
		if err := rootless.Translate(config.Linux); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	request := &container.Request{
		ID: id, Spec: config, Bundle: dir, NoPivot: b.noPivot, OldKeyring: b.noNewKeyring, SystemdCgroup: global.systemdCgroup, Rootless: isNested(), Explain: global.log.Debug,
	}
	if err := request.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if !filepath.IsAbs(config.Root.Path) {
		config.Root.Path = filepath.Join(dir, config.Root.Path)
	}
	if request.Root, err = container.OpenRootfs(config.Root.Path); err != nil {
		return nil, err
	}
	config.Linux.Resources = spec.WithDefaultDevices(config.Linux.Resources)
	request.Extra, err = preserved(b.preserveFDs)
	return request, err
}

// preserved returns the descriptors from 3 on, which the caller has opened for the command.
func preserved(count int) ([]*os.File, error) {
	if count > inherited {
		return nil, fmt.Errorf("--preserve-fds %d: descriptor %d is not open", count, 3+inherited)
	}
	var files []*os.File
	for fd := 3; fd < 3+count; fd++ {
		files = append(files, os.NewFile(uintptr(fd), fmt.Sprintf("descriptor %d", fd)))
	}
	return files, nil
}

// checkConsole refuses a terminal without a socket to send it to, and a socket without a terminal.
func checkConsole(spec *specs.Process, socket string) error {
	switch {
	case spec.Terminal && socket == "":
		return errors.New("process.terminal: true: needs --console-socket, a socket to send the terminal to")
	case !spec.Terminal && socket != "":
		return errors.New("--console-socket: there is no terminal to send: set process.terminal to true")
	}
	return nil
}

// handOver sends the terminal and the pidfd of a process to the sockets of the caller, and writes the PID to the file of the caller.
func (b *bundle) handOver(p *process.Process) error {
	if b.consoleSocket != "" {
		if err := p.SendTerminal(b.consoleSocket); err != nil {
			return fmt.Errorf("--console-socket: %w", err)
		}
	}
	if b.pidfdSocket != "" {
		if err := p.SendPidfd(b.pidfdSocket); err != nil {
			return fmt.Errorf("--pidfd-socket: %w", err)
		}
	}
	if b.pidFile == "" {
		return nil
	}
	if err := writePid(b.pidFile, p.PID); err != nil {
		return fmt.Errorf("--pid-file: %w", err)
	}
	return nil
}

// writePid writes decimal digits and no newline, all at once: somebody may be waiting for the file. Others may write to its
// directory, so the file is made under a new name that nobody can guess, and then renamed: a link that somebody has planted is never
// followed. rename(2)
func writePid(name string, pid int) error {
	dir, err := os.OpenFile(filepath.Dir(name), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	random, err := spec.MakeID()
	if err != nil {
		return err
	}
	fd, partial := int(dir.Fd()), "."+random
	file, err := unix.Openat(fd, partial, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return fmt.Errorf("create a file in %s: %w", dir.Name(), err)
	}
	_, err = unix.Write(file, fmt.Append(nil, pid))
	unix.Close(file)
	if err == nil {
		err = unix.Renameat(fd, partial, fd, filepath.Base(name))
	}
	if err != nil {
		_ = unix.Unlinkat(fd, partial, 0)
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
