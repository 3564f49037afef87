//go:build linux

package check

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// noSuchFlag is a flag that no program has.
const noSuchFlag = "no-such-flag"

// input are the properties of a program's answers to bad input, except for limits and the tmpfs.
var input = []Property{
	{
		Name:  "without a command there is one line that says so, and the status is 125",
		Step:  1,
		Needs: []string{starts},
		Why:   "The first thing many people type is a command line with something missing.",
		Where: "step01-exec/PROCESS.md#dispatch-the-command-line",
		check: func(p *Program) error {
			for _, args := range [][]string{{"run"}, {}, {"/bin/true"}} {
				r, err := p.call(call{args: args})
				if err != nil {
					return err
				}
				if err := complaint(r, 125); err != nil {
					return fmt.Errorf("with the arguments %q: %w", args, err)
				}
			}
			return nil
		},
	},
	{
		Name:  "child started by hand does nothing, and says so in one line",
		Step:  1,
		Needs: []string{starts},
		Why:   "Without run, child would work on the host itself: it would rename the host or mount over its /proc.",
		Where: "step01-exec/PROCESS.md#start-and-awaitrun-the-handshake",
		check: func(p *Program) error {
			defer sweep()
			r, err := p.call(call{args: []string{"child", "/bin/echo", "ran"}})
			if err != nil {
				return err
			}
			return complaint(r, 125)
		},
	},
	{
		Name:  "an unknown flag is named in one line, and the status is 125",
		Step:  1,
		Needs: []string{starts},
		Why:   "A mistyped flag must not be ignored, and must not become the command.",
		Where: "step01-exec/PROCESS.md#dispatch-the-command-line",
		check: func(p *Program) error {
			return p.refuses(call{flags: []string{"--" + noSuchFlag}, command: []string{"/bin/true"}}, 125, noSuchFlag)
		},
	},
	{
		Name:  "--help says on standard output how to use it, and the status is 0",
		Step:  1,
		Needs: []string{starts},
		Why:   "People look for --help first, and pipe the text into a pager.",
		Where: "step01-exec/PROCESS.md#dispatch-the-command-line",
		check: func(p *Program) error {
			for _, args := range [][]string{{"--help"}, {"run", "--help"}} {
				r, err := p.call(call{args: args})
				if err != nil {
					return err
				}
				if r.status != 0 || r.stderr != "" || strings.TrimSpace(r.stdout) == "" {
					return fmt.Errorf("%s should print how to use the program and end with the status 0, but %v", strings.Join(args, " "), r)
				}
			}
			return nil
		},
	},
	{
		Name:  withoutProc,
		Step:  1,
		Needs: []string{exit3},
		Why:   "The kernel says \"no such file\" here, and you would look for a missing program instead of a missing mount.",
		Where: "step01-exec/README.md#how-it-works",
		check: func(p *Program) error {
			if err := unix.Unmount("/proc", unix.MNT_DETACH); err != nil {
				return unclear(err)
			}
			for unix.Unmount("/proc", unix.MNT_DETACH) == nil {
				// Several may be mounted one over another.
			}
			return p.refuses(call{command: []string{"/bin/true"}}, 125, "/proc")
		},
	},
	{
		Name:  "without root there is one line that says so, and the status is 125",
		Step:  2,
		Needs: []string{uts, output},
		Why:   "Forgetting sudo is the most common mistake of all.",
		Where: "step02-uts/README.md#how-it-works",
		check: func(p *Program) error {
			dir, err := publicDir()
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			path, err := copyFile(p.Path, dir)
			if err != nil {
				return err
			}
			public := *p
			public.Path = path
			nobody := call{command: []string{"/bin/true"}, attr: unix.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}}
			return public.refuses(nobody, 125)
		},
	},
	{
		Name:  hostnameTooLong,
		Step:  2,
		Needs: []string{hostnameGiven},
		Why:   "The kernel limits a hostname to 64 bytes and says only \"invalid argument\".",
		Where: "step02-uts/README.md#now-yours",
		check: func(p *Program) error {
			name := strings.Repeat("x", 65)
			long := call{flags: []string{"--hostname", name}, command: []string{"/bin/true"}}
			return p.refuses(long, 125, name)
		},
	},
	{
		Name:  "a root file system that is missing, not a directory or empty is named in one line",
		Step:  4,
		Needs: []string{ownRoot},
		Why:   "Without a check, a missing root file system looks like a missing command.",
		Where: "step04-chroot/README.md#now-yours",
		check: func(p *Program) error {
			dir, err := publicDir()
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			for _, rootfs := range []string{filepath.Join(dir, "missing"), p.Path, dir} {
				bad := call{flags: []string{"--rootfs", rootfs}, command: []string{"/bin/true"}}
				if err := p.refuses(bad, 125, rootfs); err != nil {
					return err
				}
			}
			return nil
		},
	},
}
