//go:build linux

package check

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// root are the properties of a root directory.
var root = []Property{
	{
		Name:  ownRoot,
		Step:  4,
		Needs: []string{starts},
		Why:   "The command gets programs, libraries and /etc from the root file system, not from the host.",
		Where: "step04-chroot/README.md#how-it-works",
		check: func(p *Program) error {
			mark, err := os.CreateTemp(p.Rootfs, "container-workshop-check-")
			if err != nil {
				return unclear(err)
			}
			defer os.Remove(mark.Name())
			defer mark.Close()
			return p.whileReady(func(s *session) error {
				inside, err := s.container()
				if err != nil {
					return err
				}
				defer release(inside)
				seen := filepath.Join(fmt.Sprintf("/proc/%d/root", inside[0].pid), filepath.Base(mark.Name()))
				if _, err := os.Stat(seen); err != nil {
					return fmt.Errorf("a file in %s is not in the root directory of the command", p.Rootfs)
				}
				return nil
			})
		},
	},
	{
		Name:  "the files of the host are out of sight",
		Step:  4,
		Needs: []string{ownRoot},
		Why:   "A container must not read your keys, nor change your files.",
		Where: "step04-chroot/README.md#how-it-works",
		check: func(p *Program) error {
			dir, err := publicDir()
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			r, err := p.run("if [ -e " + dir + " ]; then echo seen; else echo unseen; fi")
			if err != nil {
				return err
			}
			if r.stdout == "seen\n" {
				return errors.New("the command sees a directory in the /tmp of the host")
			}
			return want("the output of a command that looks for a directory of the host", "unseen\n", r.stdout)
		},
	},
	{
		Name:  startsAtTop,
		Step:  4,
		Needs: []string{ownRoot},
		Why:   "A working directory outside of the new root leads back to the files of the host.",
		Where: "step04-chroot/README.md#how-it-works",
		check: func(p *Program) error {
			dir, err := publicDir()
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			r, err := p.run("pwd; if [ -e ./" + dir + " ] || [ -e ../../../../../.." + dir + " ]; then echo out; fi")
			if err != nil {
				return err
			}
			if strings.HasSuffix(r.stdout, "out\n") {
				return errors.New("the working directory is outside of the root directory: the command reads files of the host there")
			}
			return want("the working directory", "/\n", r.stdout)
		},
	},
	{
		Name:  ownPath,
		Step:  4,
		Needs: []string{ownRoot},
		Why:   "The PATH of the host names directories that the container may not have.",
		Where: "step04-chroot/README.md#now-yours",
		check: func(p *Program) error {
			dir, err := publicDir()
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			if err := os.WriteFile(filepath.Join(dir, "only-on-host"), []byte("#!/bin/sh\necho ran\n"), 0o755); err != nil {
				return unclear(err)
			}
			hidden := call{command: []string{"only-on-host"}, env: []string{"PATH=" + dir + ":" + os.Getenv("PATH")}}
			if err := p.refuses(hidden, 127, "only-on-host"); err != nil {
				return err
			}
			found, err := p.call(call{command: []string{"cat", "/etc/hostname-that-is-not-there"}, env: []string{"PATH=" + dir}})
			if err != nil {
				return err
			}
			if found.status != 1 || !strings.Contains(found.stderr, "cat:") {
				return fmt.Errorf("run cat fails, but cat is in the container: %s", strings.TrimSpace(found.stderr))
			}
			return nil
		},
	},
}
