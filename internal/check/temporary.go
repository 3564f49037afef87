//go:build linux

package check

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// temporary are the properties of a tmpfs.
var temporary = []Property{
	{
		Name:  tmpfsMounted,
		Step:  7,
		Needs: []string{starts},
		Why:   "What the container writes to /mytemp must be gone with the container.",
		Where: "step07-tmpfs/README.md#how-it-works",
		check: func(p *Program) error { return p.mountsOnly("/mytemp", "tmpfs") },
	},
	{
		Name:  tmpfsSize,
		Step:  7,
		Needs: []string{tmpfsMounted},
		Why:   "A tmpfs is memory, and without a size it can take half the memory of the host.",
		Where: "step07-tmpfs/README.md#how-it-works",
		check: func(p *Program) error {
			return p.whileReady(func(s *session) error {
				line, err := s.mount("/mytemp", "tmpfs")
				if err == nil && !strings.Contains(line, "size=16384k") {
					options := line[strings.LastIndexByte(strings.TrimSpace(line), ' ')+1:]
					err = fmt.Errorf("the options of the tmpfs should have size=16384k, which is 16 MiB, but are %s", strings.TrimSpace(options))
				}
				return err
			})
		},
	},
	{
		Name:  "the kernel opens no device on /mytemp, and honours no set-user-ID there",
		Step:  7,
		Needs: []string{tmpfsMounted},
		Why:   "Everybody can write to /mytemp, so a device or a set-user-ID program there could give somebody more rights.",
		Where: "step07-tmpfs/README.md#now-yours",
		check: func(p *Program) error { return p.mountHas("/mytemp", "tmpfs", "nosuid", "nodev") },
	},
	{
		Name:  "programs run from the tmpfs on /mytemp",
		Step:  7,
		Needs: []string{tmpfsMounted},
		Why:   "Compilers and installers write a program to a temporary directory, and start the program there.",
		Where: "step07-tmpfs/README.md#how-it-works",
		check: func(p *Program) error {
			if err := p.mountHas("/mytemp", "tmpfs"); err != nil {
				return err
			}
			file, remove := p.stray("program")
			defer remove()
			r, err := p.run("printf '#!/bin/sh\\necho ran\\n' > " + file + " && chmod 755 " + file + " && " + file)
			if err != nil {
				return err
			}
			return want("a program in /mytemp", result{"ran\n", "", 0}, r)
		},
	},
	{
		Name:  "what is written to /mytemp is not on the host's disk",
		Step:  7,
		Needs: []string{tmpfsMounted},
		Why:   "Temporary files that reach the disk of the host stay there for ever.",
		Where: "step07-tmpfs/README.md#how-it-works",
		check: func(p *Program) error {
			file, remove := p.stray("file")
			defer remove()
			return p.during("echo text > "+file+" && echo ready && exec sleep 1000", func(s *session) error {
				for _, place := range []string{filepath.Join(p.Rootfs, file), file} {
					if _, err := os.Stat(place); err == nil {
						return fmt.Errorf("%s is there on the host", place)
					}
				}
				return nil
			})
		},
	},
	{
		Name:  "/mytemp takes no more than its size",
		Step:  7,
		Needs: []string{tmpfsSize},
		Why:   "A tmpfs is memory: without a limit on it, one file can fill the memory of the host.",
		Where: "step07-tmpfs/README.md#how-it-works",
		check: func(p *Program) error {
			a, removeA := p.stray("a")
			defer removeA()
			b, removeB := p.stray("b")
			defer removeB()
			r, err := p.run("head -c 12m /dev/zero > " + a + " && echo fits && head -c 12m /dev/zero > " + b)
			if err != nil {
				return err
			}
			if r.stdout != "fits\n" || r.status == 0 || !strings.Contains(r.stderr, "No space left") {
				return fmt.Errorf("12 MiB should fit and 24 MiB should not, but %v", r)
			}
			return nil
		},
	},
	{
		Name:  tmpfsElsewhere,
		Step:  7,
		Needs: []string{tmpfsMounted},
		Why:   "Programs want their temporary files in different places.",
		Where: "step07-tmpfs/README.md#now-yours",
		check: func(p *Program) error {
			target := "/tmp/check-tmpfs/deep"
			defer os.RemoveAll(filepath.Join(p.Rootfs, "tmp/check-tmpfs"))
			return p.whileReady(func(s *session) error {
				_, err := s.mount(target, "tmpfs")
				return err
			}, "--tmpfs", target)
		},
	},
	{
		Name:  "--tmpfs on a relative path, on / or on a file is refused in one line",
		Step:  7,
		Needs: []string{tmpfsElsewhere},
		Why:   "A tmpfs on / changes nothing for the command, and a relative path has no meaning here.",
		Where: "step07-tmpfs/README.md#now-yours",
		check: func(p *Program) error {
			for _, target := range []string{"", "mytemp", "./mytemp", "/", "/..", "//", "/etc/passwd", "/etc/passwd/x"} {
				if err := p.refuses(call{flags: []string{"--tmpfs", target}, command: []string{"/bin/true"}}, 125); err != nil {
					return err
				}
			}
			return nil
		},
	},
}

// stray returns the path of a file in /mytemp, and removes that file from the place where a program without a tmpfs writes it.
func (p *Program) stray(name string) (path string, remove func()) {
	path = fmt.Sprintf("/mytemp/check-%d-%s", os.Getpid(), name)
	return path, func() {
		os.Remove(path)
		os.Remove(filepath.Join(p.Rootfs, path))
	}
}
