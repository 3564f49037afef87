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

// input is what is said of bad input, but for limits and the tmpfs.
var input = []Property{
	{
		Name: "without a command there is one line that says how to give it, and the status is 125",
		Step: 1,
		Hint: "Look at pflag.NArg() before anything else.",
		check: func(p *Program) error {
			for _, args := range [][]string{{"run"}, {}, {"/bin/true"}} {
				r, err := p.call(call{args: args})
				if err != nil {
					return err
				}
				if err := complaint(r, 125, "run [flags] COMMAND"); err != nil {
					return fmt.Errorf("arguments %q: %w", args, err)
				}
			}
			return nil
		},
	},
	{
		Name: "child started by hand does nothing, and says so in one line",
		Step: 1,
		Hint: "On the host child would change the host. Let it wait for a word from run on a socket: no other descriptor 3 will do.",
		check: func(p *Program) error {
			defer sweep()
			r, err := p.call(call{args: []string{"child", "/bin/echo", "ran"}})
			if err != nil {
				return err
			}
			return complaint(r, 125, "run")
		},
	},
	{
		Name: "an unknown flag is named in one line, and the status is 125",
		Step: 1,
		Hint: "Parse with pflag.ContinueOnError, and print its error yourself.",
		check: func(p *Program) error {
			return p.refuses(call{flags: []string{"--no-such-flag"}, command: []string{"/bin/true"}}, 125, unknownFlag, "--no-such-flag")
		},
	},
	{
		Name: "--help says on standard output how to use it, and the status is 0",
		Step: 1,
		Hint: "pflag.Parse returns pflag.ErrHelp after it has called pflag.Usage: that is no failure.",
		check: func(p *Program) error {
			for _, args := range [][]string{{"--help"}, {"run", "--help"}} {
				r, err := p.call(call{args: args})
				if err != nil {
					return err
				}
				if r.status != 0 || r.stderr != "" || !strings.Contains(r.stdout, "COMMAND") {
					return fmt.Errorf("%q: status %d, output %q, error output %q", args, r.status, r.stdout, r.stderr)
				}
			}
			return nil
		},
	},
	{
		Name: "without /proc on the host there is one line that says so, and the status is 125",
		Step: 1,
		Hint: "Starting /proc/self/exe fails with ENOENT then, which sounds as if your program were missing.",
		check: func(p *Program) error {
			if err := unix.Unmount("/proc", unix.MNT_DETACH); err != nil {
				return unclear(err)
			}
			for unix.Unmount("/proc", unix.MNT_DETACH) == nil {
				// One was mounted on another.
			}
			return p.refuses(call{command: []string{"/bin/true"}}, 125, "/proc", "mount")
		},
	},
	{
		Name: "without root there is one line that says so, and the status is 125",
		Step: 2,
		Hint: "Making a namespace fails with EPERM without CAP_SYS_ADMIN: say what to do about it.",
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
			return public.refuses(nobody, 125, "root", "sudo")
		},
	},
	{
		Name: "a hostname that is too long is refused with one line that says how long it may be",
		Step: 2,
		Hint: "The kernel says EINVAL to more than 64 bytes. Say that, and leave the judgement to it.",
		check: func(p *Program) error {
			long := call{flags: []string{"--hostname", strings.Repeat("x", 65)}, command: []string{"/bin/true"}}
			return p.refuses(long, 125, "64", "hostname")
		},
	},
	{
		Name: "a root file system that is missing, not a directory or empty is named in one line, with the remedy",
		Step: 4,
		Hint: "Look at the directory before you start anything.",
		check: func(p *Program) error {
			dir, err := publicDir()
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			for _, rootfs := range []string{filepath.Join(dir, "missing"), p.Path, dir} {
				bad := call{flags: []string{"--rootfs", rootfs}, command: []string{"/bin/true"}}
				if err := p.refuses(bad, 125, rootfs, "make rootfs"); err != nil {
					return err
				}
			}
			return nil
		},
	},
}
