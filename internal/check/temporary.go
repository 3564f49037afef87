//go:build linux

package check

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// temporary is what comes of a tmpfs.
var temporary = []Property{
	{
		Name: "/mytemp is a tmpfs that has a size, and is mounted nowhere on the host",
		Step: 7,
		Hint: "unix.Mount(\"tmpfs\", *tmpfs, \"tmpfs\", …, \"size=16m\") in child, after the change of root.",
		check: func(p *Program) error {
			if err := p.mountsOnly("/mytemp", "tmpfs"); err != nil {
				return err
			}
			return p.whileReady(func(s *session) error {
				line, err := s.mount("/mytemp", "tmpfs")
				if err != nil {
					return err
				}
				if !strings.Contains(line, "size=16384k") {
					return fmt.Errorf("want a size of 16 MiB, got %s", strings.TrimSpace(line))
				}
				return nil
			})
		},
	},
	{
		Name: "what is written to /mytemp is not on the host's disk",
		Step: 7,
		Hint: "Is the tmpfs mounted in the mount namespace of the container, and on the directory in its root?",
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
		Name: "/mytemp takes no more than its size",
		Step: 7,
		Hint: "Without size= a tmpfs takes half of the host's memory. tmpfs(5)",
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
				return fmt.Errorf("want 12 MiB to fit and 24 not to, got status %d and %q %q", r.status, r.stdout, r.stderr)
			}
			return nil
		},
	},
	{
		Name: "--tmpfs takes another directory, and makes it",
		Step: 7,
		Hint: "os.MkdirAll in child, after the change of root.",
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
		Name: "--tmpfs on a relative path, on / or on a file is refused in one line",
		Step: 7,
		Hint: "filepath.IsAbs, filepath.Clean; and an error of os.MkdirAll that says which flag it is about.",
		check: func(p *Program) error {
			for _, target := range []string{"", "mytemp", "./mytemp", "/", "/..", "//", "/etc/passwd", "/etc/passwd/x"} {
				if err := p.refuses(call{flags: []string{"--tmpfs", target}, command: []string{"/bin/true"}}, 125, "tmpfs"); err != nil {
					return err
				}
			}
			return nil
		},
	},
}

// stray names a file in /mytemp, and removes it from where a program without a tmpfs writes it.
func (p *Program) stray(name string) (path string, remove func()) {
	path = fmt.Sprintf("/mytemp/check-%d-%s", os.Getpid(), name)
	return path, func() {
		os.Remove(path)
		os.Remove(filepath.Join(p.Rootfs, path))
	}
}
