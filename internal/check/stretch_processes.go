//go:build linux

package check

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// beyondProcesses has the exercises of steps 3 and 4, and the second of step 7.
var beyondProcesses = []Property{
	{
		Name:  "a network namespace of its own for the container, with no interface but lo",
		Step:  3,
		Needs: []string{pidNS},
		Why:   "A command that needs no network should not reach one. network_namespaces(7)",
		Where: "step03-pid/README.md#check-your-work",
		check: func(p *Program) error {
			return p.whileReady(func(s *session) error {
				if err := s.ownNamespace("net"); err != nil {
					return err
				}
				inside, err := s.container()
				if err != nil {
					return err
				}
				defer release(inside)
				seen, err := interfaces(fmt.Sprint(inside[0].pid))
				if err != nil {
					return err
				}
				fresh, err := freshInterfaces()
				if err != nil {
					return err
				}
				return want("the list of interfaces", fresh, seen)
			})
		},
	},
	{
		Name:  "--init makes process 1 another than the command: one that waits for orphans, passes signals on, and ends with the status of the command",
		Step:  3,
		Needs: []string{process1},
		Why:   "A process 1 that does not wait for orphans collects zombies. wait(2)",
		Where: "step03-pid/README.md#check-your-work",
		check: func(p *Program) error {
			r, err := p.run("echo $$; exit 3", "--init")
			if err != nil {
				return err
			}
			if r.stdout == "1\n" || r.stdout == "" || r.stderr != "" || r.status != 3 {
				return fmt.Errorf("the command should not be process 1, and end with the status 3, but %v", r)
			}
			r, err = p.run("kill -KILL $$", "--init")
			if err != nil {
				return err
			}
			if err := want("the status after SIGKILL", 137, r.status); err != nil {
				return err
			}
			orphan := "trap 'exit 5' TERM; (ORPHAN_OF=$CHECK_MARK sh -c 'echo ready; exec sleep 1000' &); while :; do sleep 0.01; done"
			return p.during(orphan, func(s *session) error {
				orphans := Marked("ORPHAN_OF=" + strings.TrimPrefix(s.mark, "CHECK_MARK="))
				if len(orphans) != 1 {
					return fmt.Errorf("want one orphan, got %d", len(orphans))
				}
				unix.Kill(orphans[0], unix.SIGKILL)
				if err := gone(orphans[0]); err != nil {
					return err
				}
				unix.Kill(s.cmd.Process.Pid, unix.SIGTERM)
				r, err := s.wait()
				if err != nil {
					return err
				}
				return want("the status of a command that ends with 5 on SIGTERM", 5, r.status)
			}, "--init")
		},
	},
	{
		Name:  "--user UID[:GID] is the user and the group of the command (without GID its number is that of UID); it is in no other group, and ends with run as ever",
		Step:  4,
		Needs: []string{ownRoot},
		Why:   "A command that does not need to be root should not be root. credentials(7)",
		Where: "step04-chroot/README.md#check-your-work",
		check: func(p *Program) error {
			for _, c := range []struct{ flag, uid, gid string }{{"4711:4712", "4711", "4712"}, {"4713", "4713", "4713"}} {
				if err := p.runsAs(c.flag, c.uid, c.gid); err != nil {
					return fmt.Errorf("--user %s: %w", c.flag, err)
				}
			}
			for _, bad := range []string{"", "x", "-1", "1:", ":1", "1:x", "1:-1", "1:2:3", "4294967295", "1:4294967295", "99999999999"} {
				if err := p.refuses(call{flags: []string{"--user=" + bad}, command: []string{"/bin/true"}}, 125, "user"); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		Name:  "close-on-exec for whatever the caller left open, like a directory of the host, which is a way out",
		Step:  4,
		Needs: []string{ownRoot},
		Why:   "A directory of the host that is open is a way out of the container. close_range(2)",
		Where: "step04-chroot/README.md#check-your-work",
		check: func(p *Program) error {
			outside, err := os.Open("/")
			if err != nil {
				return unclear(err)
			}
			defer outside.Close()
			s := p.session(call{})
			s.cmd.Args = append(s.cmd.Args, p.args(call{command: []string{"/bin/sh", "-c", "echo ready; exec sleep 1000"}})...)
			s.cmd.Stdout, s.cmd.Stderr = &s.stdout, &s.stderr
			// The first of these files is descriptor 3, so this one is descriptor 9.
			s.cmd.ExtraFiles = []*os.File{6: outside}
			if err := s.cmd.Start(); err != nil {
				return unclear(err)
			}
			s.watch()
			defer s.close()
			if err := s.expect("ready"); err != nil {
				return err
			}
			inside, err := s.container()
			if err != nil {
				return err
			}
			defer release(inside)
			if _, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/9", inside[0].pid)); err == nil {
				return errors.New("descriptor 9 of the command is the root directory of the host")
			}
			return nil
		},
	},
	{
		Name:  "exec PID COMMAND [ARG ...] runs a command in the container whose process 1 has this PID on the host: in its namespaces, root directory and limits, with the status of the command",
		Step:  7,
		Needs: []string{tmpfsMounted},
		Why:   "You look into a running container with a shell in the same namespaces. setns(2)",
		Where: "step07-tmpfs/README.md#check-your-work",
		check: func(p *Program) error {
			file, remove := p.stray("exec")
			defer remove()
			return p.during("echo text > "+file+" && echo ready && exec sleep 1000", func(s *session) error { return p.execsInto(s, file) })
		},
	},
}

// interfaces returns the interfaces of a process's network namespace. The process is a folder of /proc. proc_pid_net(5)
func interfaces(process string) (string, error) {
	devices, err := os.ReadFile("/proc/" + process + "/net/dev")
	if err != nil {
		return "", err
	}
	var names []string
	for line := range strings.Lines(string(devices)) {
		if name, _, ok := strings.Cut(line, ":"); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	slices.Sort(names)
	return strings.Join(names, " "), nil
}

// freshInterfaces returns the interfaces of a new network namespace: lo, and the tunnels of modules that make one in each namespace.
func freshInterfaces() (names string, err error) {
	err = isolated(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return unclear(err)
		}
		names, err = interfaces("thread-self")
		return err
	})
	return names, err
}

// gone waits until a killed process is not even a zombie any more.
func gone(pid int) error {
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err != nil {
			return nil
		}
	}
	return errors.New("an orphan that has ended stays as a zombie")
}

// runsAs returns an error unless the command has these IDs, no supplementary groups, and ends with run. It starts run with some
// groups.
func (p *Program) runsAs(flag, uid, gid string) error {
	defer sweep()
	s, err := p.start(call{
		flags:   []string{"--user", flag},
		command: []string{"/bin/sh", "-c", "echo ready; exec sleep 1000"},
		attr:    unix.SysProcAttr{Credential: &syscall.Credential{Groups: []uint32{1, 2}}},
	})
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.expect("ready"); err != nil {
		return err
	}
	inside, err := s.container()
	if err != nil {
		return err
	}
	if err := hasIDs(inside[0].pid, uid, gid); err != nil {
		release(inside)
		return err
	}
	unix.Kill(s.cmd.Process.Pid, unix.SIGKILL)
	return ended(inside, 2*time.Second)
}

// hasIDs returns an error unless these are the real, effective, saved and file system IDs of a process, and it has no supplementary
// groups. proc_pid_status(5)
func hasIDs(pid int, uid, gid string) error {
	four := func(id string) string { return strings.TrimSpace(strings.Repeat(id+" ", 4)) }
	for _, c := range [][2]string{{"Uid", four(uid)}, {"Gid", four(gid)}, {"Groups", ""}} {
		seen, err := statusField(pid, c[0])
		if err != nil {
			return err
		}
		if err := want(c[0], c[1], seen); err != nil {
			return err
		}
	}
	return nil
}

// statusField returns a field of /proc/PID/status, with one blank between its values.
func statusField(pid int, name string) (string, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.Join(strings.Fields(value), " "), nil
		}
	}
	return "", fmt.Errorf("/proc/%d/status has no %s", pid, name)
}

// execsInto returns an error unless exec runs a command in the container of a session, which has written a file in /mytemp.
func (p *Program) execsInto(s *session, file string) error {
	inside, err := s.container()
	if err != nil {
		return err
	}
	defer release(inside)
	if err := s.states("sleep", "S"); err != nil {
		return err
	}
	cgroups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", inside[0].pid))
	if err != nil {
		return err
	}
	scripts := [][3]string{
		{"output of cat, with input", "cat", "input\n"},
		{"file that the container wrote to /mytemp", "cat " + file, "text\n"},
		{"hostname", "cat /proc/sys/kernel/hostname", "container\n"},
		{"process 1 in ps", "ps -p 1 -o comm=", "sleep\n"},
		{"cgroups", "cat /proc/self/cgroup", string(cgroups)},
	}
	for _, kind := range []string{"uts", "pid", "mnt"} {
		ns, err := namespace(inside[0].pid, kind)
		if err != nil {
			return err
		}
		scripts = append(scripts, [3]string{kind + " namespace", "readlink /proc/self/ns/" + kind, ns + "\n"})
	}
	for _, script := range scripts {
		args := []string{"exec", fmt.Sprint(inside[0].pid), "/bin/sh", "-c", script[1] + "; exit 3"}
		r, err := p.call(call{args: args, stdin: "input\n"})
		if err != nil {
			return err
		}
		if err := want(script[0], result{script[2], "", 3}, r); err != nil {
			return err
		}
	}
	return nil
}
