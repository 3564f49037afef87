//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/rootless"
)

// The ordinary user of the rows without root. Only the mount namespace of bench knows this user, who has a range of IDs.
const (
	user      = 64321
	userRange = 524288000
	rangeSize = 65536
	// The user may not enter every folder above the one in memory, which therefore has a second mount point.
	reachable = "/mnt"
)

// forUser is a file of the user, in the folder in memory.
func forUser(names ...string) string {
	return filepath.Join(append([]string{reachable, "user"}, names...)...)
}

// measureRootless times a container of an ordinary user: every runtime gets the same configuration, which has a user namespace with the user's
// own ID and the range, so newuidmap and newgidmap write the maps.
func (b *bench) measureRootless() ([]row, error) {
	if why := noUsers(); why != nil {
		b.missing = append(b.missing, fmt.Sprintf("nobody runs without root here: %v", why))
		return nil, nil
	}
	if err := b.addUser(); err != nil {
		return nil, fmt.Errorf("make an ordinary user: %w", err)
	}
	programs := map[string]string{}
	for _, p := range b.peers {
		if !p.runtime {
			continue
		}
		programs[p.name] = forUser("program-" + p.name)
		content, err := os.ReadFile(p.path)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(programs[p.name], content, 0o755); err != nil {
			return nil, err
		}
	}
	var rows []row
	for _, c := range []container{{id: "minimal"}, {id: "engine", engine: true}} {
		bundle, err := b.userBundle(c)
		if err != nil {
			return nil, err
		}
		rows = append(rows, b.warmAndCold("run, "+c.id+", without root", b.each(isRuntime, func(p *peer) (float64, error) {
			took, err := b.clockUser(programs[p.name], "--root", forUser("state-"+p.name), "run", "--bundle", bundle, "user")
			if err != nil {
				_, _ = b.clockUser(programs[p.name], "--root", forUser("state-"+p.name), "delete", "--force", "user")
			}
			return took, err
		}))...)
	}
	return rows, nil
}

// noUsers says why an ordinary user cannot run a container with a range of IDs here.
func noUsers() error {
	host := rootless.ThisHost()
	_, err := host.NoProgram("newuidmap")
	return cmp.Or(err, host.NoNamespace())
}

// addUser makes the user known, and a folder for the user.
func (b *bench) addUser() error {
	if err := unix.Mount(b.dir, reachable, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount %s: %w", reachable, err)
	}
	if err := os.Mkdir(forUser(), 0o700); err != nil {
		return err
	}
	for name, line := range map[string]string{
		"passwd": fmt.Sprintf("bench:x:%d:%[1]d::/:/bin/sh\n", user), "subuid": fmt.Sprintf("bench:%d:%d\n", userRange, rangeSize),
		"subgid": fmt.Sprintf("bench:%d:%d\n", userRange, rangeSize),
	} {
		place := filepath.Join("/etc", name)
		content, err := os.ReadFile(place)
		if err != nil {
			return err
		}
		if err := os.WriteFile(b.path(name), append(content, line...), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(b.path(name), place, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", place, err)
		}
	}
	return os.Chown(forUser(), user, user)
}

// userBundle writes a configuration for the user. There are no limits, because not every host gives cgroups to users.
func (b *bench) userBundle(c container) (string, error) {
	config, err := b.config(c, reachable)
	if err != nil {
		return "", err
	}
	config.Process.Args = toTrue
	config.Root.Path = filepath.Join(reachable, "rootfs")
	linux := config.Linux
	linux.CgroupsPath, linux.Resources = "", nil
	linux.Namespaces = append(linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	linux.UIDMappings = []specs.LinuxIDMapping{{HostID: user, Size: 1}, {ContainerID: 1, HostID: userRange, Size: rangeSize}}
	linux.GIDMappings = linux.UIDMappings
	text, err := json.Marshal(config)
	if err != nil {
		return "", err
	}
	dir := forUser("bundle-" + c.id)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "config.json"), text, 0o644)
}

// clockUser is clock for a command of the user.
func (b *bench) clockUser(line ...string) (float64, error) {
	cmd, finish, err := b.prepare(line)
	if err != nil {
		return 0, err
	}
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + forUser(), "XDG_RUNTIME_DIR=" + forUser()}
	cmd.SysProcAttr = &unix.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	begin := time.Now()
	err = cmd.Run()
	took := float64(time.Since(begin).Microseconds()) / 1000
	return took, finish(err)
}
