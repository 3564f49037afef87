//go:build linux

package become

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// sysctls writes kernel parameters, through a proc that no image can tamper with: see openProc.
func (p *Program) sysctls() {
	for _, key := range slices.Sorted(maps.Keys(p.Config.Linux.Sysctl)) {
		p.writeProc("sys/"+sysctlPath(key), p.Config.Linux.Sysctl[key], "proc_sys(5)", func(err error) error { return err })
	}
}

// sysctlPath returns the path of a sysctl: dots become slashes, and slashes become dots, as in the name of an interface. If a slash comes
// first, the name is a path already. sysctl(8)
func sysctlPath(key string) string {
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '/' {
		return key
	}
	return strings.NewReplacer(".", "/", "/", ".").Replace(key)
}

func hasLabels(process *specs.Process) bool {
	return process.ApparmorProfile != "" || process.SelinuxLabel != ""
}

// labels writes the labels that the process gets at its next execve, which is that of the command.
func (p *Program) labels() {
	write := func(field, name, man, value string) {
		p.writeProc(name, value, man, func(err error) error {
			if errors.Is(err, unix.ENOENT) {
				err = fmt.Errorf("%w (the kernel has no such profile: load it, with apparmor_parser)", err)
			}
			return fmt.Errorf("process.%s: %w", field, err)
		})
	}
	if profile := p.Process.ApparmorProfile; profile != "" && profile != "unconfined" {
		write("apparmorProfile", "self/attr/apparmor/exec", "apparmor(7)", "exec "+profile)
	}
	if label := p.Process.SelinuxLabel; label != "" {
		write("selinuxLabel", "self/attr/exec", "proc_pid_attr(5)", label)
	}
}

// writeProc writes to a file of proc. It follows the symbolic link self, but no link or mount that leads out of this proc.
func (p *Program) writeProc(name, value, man string, wrap func(error) error) {
	how := p.Struct(&unix.OpenHow{Flags: unix.O_WRONLY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS})
	file := p.Slot()
	p.Stage(fmt.Sprintf("write(/proc/%s, %q)", name, value), man, 0)
	p.Do(unix.SYS_OPENAT2, p.proc, name, how, how.Size).To(file).Fails(func(err error, _ string) error {
		if errors.Is(err, unix.ENOENT) {
			// Without this case, the error would blame the value.
			return wrap(fmt.Errorf("the kernel has no /proc/%s", name))
		}
		return wrap(fmt.Errorf("open /proc/%s: %w", name, err))
	})
	p.Do(unix.SYS_WRITE, file, []byte(value), len(value)).Fails(func(err error, _ string) error {
		return wrap(fmt.Errorf("write %q to /proc/%s: %w", value, name, err))
	})
	p.Do(unix.SYS_CLOSE, file)
}
