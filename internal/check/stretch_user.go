//go:build linux

package check

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// beyondUser has the third exercise of step 5.
var beyondUser = []Property{{
	Name:  "without sudo: a caller who is not root gets a container, in a user namespace where user 0 and group 0 are the caller's; for root all stays as it was",
	Step:  5,
	Needs: []string{procMounted},
	Why:   "A program that needs no root can do less harm to the host. user_namespaces(7)",
	Where: "step05-proc/README.md#check-your-work",
	check: func(p *Program) error {
		caller := &syscall.Credential{Uid: 4711, Gid: 4712}
		if err := allowsUserNamespaces(caller); err != nil {
			return unclear(fmt.Errorf("this host gives users no user namespaces with a /proc of their own (see make doctor): %w", err))
		}
		// The home directory of the learner may be closed to others.
		dir, err := publicDir()
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		public := *p
		if public.Path, err = copyFile(p.Path, dir); err != nil {
			return err
		}
		if err := public.runsFor(caller); err != nil {
			return err
		}
		r, err := public.call(call{command: []string{"/bin/sh", "-c", "exit 3"}, attr: unix.SysProcAttr{Credential: caller}})
		if err != nil {
			return err
		}
		if err := want("without root, a command that ends with exit 3", result{"", "", 3}, r); err != nil {
			return err
		}
		maps, err := os.ReadFile("/proc/self/uid_map")
		if err != nil {
			return unclear(err)
		}
		r, err = p.run("cat /proc/self/uid_map")
		if err != nil {
			return err
		}
		return want("for root, /proc/self/uid_map", result{string(maps), "", 0}, r)
	},
}}

// allowsUserNamespaces returns an error if a user cannot do what the exercise needs.
func allowsUserNamespaces(caller *syscall.Credential) error {
	cmd := exec.Command("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "mount", "-t", "proc", "proc", "/proc")
	cmd.SysProcAttr = &unix.SysProcAttr{Credential: caller}
	output, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(output)))
	}
	return err
}

// runsFor returns an error unless a caller who is not root gets a container.
func (p *Program) runsFor(caller *syscall.Credential) error {
	defer sweep()
	place := fmt.Sprintf("/tmp/check-%d-user", os.Getpid())
	defer os.Remove(filepath.Join(p.Rootfs, place))
	script := "id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map; hostname; echo $$; echo text >" + place + "; echo ready; exec sleep 1000"
	s, err := p.start(call{command: []string{"/bin/sh", "-c", script}, attr: unix.SysProcAttr{Credential: caller}})
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.expect("ready"); err != nil {
		return err
	}
	seen := strings.Join(strings.Fields(s.stdout.String()), " ")
	expected := fmt.Sprintf("0 0 0 %d 1 0 %d 1 container 1 ready", caller.Uid, caller.Gid)
	if err := want("without root, what id -u, id -g, uid_map, gid_map, hostname and echo $$ print", expected, seen); err != nil {
		return err
	}
	var file unix.Stat_t
	if err := unix.Stat(filepath.Join(p.Rootfs, place), &file); err != nil {
		return err
	}
	if err := want("on the host, the owner of a file that the container makes", caller.Uid, file.Uid); err != nil {
		return err
	}
	inside, err := s.container()
	if err != nil {
		return err
	}
	unix.Kill(s.cmd.Process.Pid, unix.SIGKILL)
	return ended(inside, 2*time.Second)
}
