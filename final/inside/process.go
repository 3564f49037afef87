//go:build linux

package inside

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"container-workshop/final/stage"
)

// sysctls are written by way of a proc that is out of the image's reach.
func (c *container) sysctls() ([]stage.Stage, error) {
	var list []stage.Stage
	for _, key := range slices.Sorted(maps.Keys(c.Sysctl)) {
		value := c.Sysctl[key]
		name := "sys/" + sysctlPath(key)
		list = append(list, stage.Stage{Call: fmt.Sprintf("write(/proc/%s, %q)", name, value), Man: "proc_sys(5)", Do: func() error { return c.writeProc(name, value) }})
	}
	return list, nil
}

// sysctlPath returns the path of a sysctl, whose dots are slashes. A slash in it is a dot, as in the name of an interface, unless it
// comes first. sysctl(8)
func sysctlPath(key string) string {
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '/' {
		return key
	}
	return strings.NewReplacer(".", "/", "/", ".").Replace(key)
}

// labels are written to files of the process itself, for the next execve.
func (c *container) labels() ([]stage.Stage, error) {
	var list []stage.Stage
	write := func(field, name, man, value string) {
		list = append(list, stage.Stage{Call: fmt.Sprintf("write(/proc/%s, %q)", name, value), Man: man, Do: func() error {
			err := c.writeProc(name, value)
			if errors.Is(err, unix.ENOENT) {
				err = fmt.Errorf("%w (the kernel has no such profile: load it, with apparmor_parser)", err)
			}
			if err != nil {
				err = fmt.Errorf("process.%s: %w", field, err)
			}
			return err
		}})
	}
	if profile := c.ApparmorProfile; profile != "" && profile != "unconfined" {
		write("apparmorProfile", "self/attr/apparmor/exec", "apparmor(7)", "exec "+profile)
	}
	if label := c.SelinuxLabel; label != "" {
		write("selinuxLabel", "self/attr/exec", "proc_pid_attr(5)", label)
	}
	return list, nil
}

func (c *container) writeProc(name, value string) error {
	// Self is a symbolic link within proc. No mount can be in the way, and none is followed.
	how := unix.OpenHow{Flags: unix.O_WRONLY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := unix.Openat2(c.proc, name, &how)
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("the kernel has no /proc/%s", name)
	}
	if err != nil {
		return fmt.Errorf("open /proc/%s: %w", name, err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(value)); err != nil {
		return fmt.Errorf("write %q to /proc/%s: %w", value, name, err)
	}
	return nil
}

// prepareCommand gives the command its standard streams, HOME and working directory, and finds its program.
func (c *container) prepareCommand() ([]stage.Stage, error) {
	return append(c.streams(), []stage.Stage{
		{Call: "read(/etc/passwd)", Man: "passwd(5)", Do: c.setHome},
		{Call: fmt.Sprintf("chdir(%q)", c.Cwd), Man: "chdir(2)", Do: c.changeDirectory},
		{Call: fmt.Sprintf("find(%q)", c.command.args[0]), Man: "execve(2)", Step: 4, Do: c.findCommand},
	}...), nil
}

// changeDirectory goes to the working directory. It is made if it is not there, but not in a container that runs: that has its files
// as they are. A directory of the host, to which a descriptor of it may lead, is no part of the tree below our root, and the kernel
// says so. CVE-2024-21626, getcwd(2)
func (c *container) changeDirectory() error {
	cwd := c.Cwd
	err := unix.Chdir(cwd)
	if errors.Is(err, unix.ENOENT) && !c.Joins {
		dir, makeErr := c.tree.Directory(cwd, 0o755)
		if makeErr != nil {
			return fmt.Errorf("working directory %s: %w", cwd, makeErr)
		}
		unix.Close(dir)
		err = unix.Chdir(cwd)
	}
	if err != nil {
		// Callers look for these words.
		return fmt.Errorf("working directory: chdir to cwd (%q): %w", cwd, err)
	}
	seen := make([]byte, unix.PathMax)
	n, err := unix.Getcwd(seen)
	if err != nil || n == 0 || seen[0] != '/' {
		return fmt.Errorf("working directory %s: is outside of the container", cwd)
	}
	return nil
}
