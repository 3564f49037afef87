//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
)

// A networker is an engine that can connect a container to a network of its own.
type networker struct {
	name, path, version string
	// network is the name of a network, whose containers find each other by name if named says so.
	network string
	named   bool
	// flags come before each verb, and runFlags after run. remove is the verb that ends and removes a container.
	flags, runFlags, remove []string
	// neighbour is the name of a container that goes on while others come and go.
	neighbour string
}

// The engines of the table about networks. final is one, too.
const (
	podman      = "podman"
	podmanNames = "podman, with names"
)

// run returns the command line of a container. Without a network it has only the loopback interface.
func (n *networker) run(b *bench, network string, flags []string, args ...string) []string {
	return slices.Concat([]string{n.path}, n.flags, []string{"run", "--network", network}, flags, n.runFlags, []string{"--rootfs", b.path("rootfs")}, args)
}

// findNetworkers returns the engines that this machine has. Each keeps its files in memory, below a directory of bench.
func (b *bench) findNetworkers() ([]*networker, error) {
	all := []*networker{{
		name: final, path: b.final, network: "bridge", named: true,
		flags: []string{"--root", b.path("state", "networks")},
		// podman sets no limits here.
		runFlags: []string{"--cpus", strconv.Itoa(runtime.NumCPU()), "--memory", "1g"}, remove: []string{"delete", "--force"}, neighbour: "neighbour-0",
	}}
	path, err := exec.LookPath(podman)
	if err != nil {
		b.missing = append(b.missing, "podman is not installed: apt-get install podman netavark aardvark-dns")
		return all, nil
	}
	// Here /run is in memory, and of bench alone. podman refuses a long path.
	const dir = "/run/bench"
	conf := filepath.Join(dir, "containers.conf")
	text := "[containers]\nlog_driver = \"k8s-file\"\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=4096:4096\"]\n[engine]\nimage_copy_tmp_dir = \"" + dir + "\"\n"
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(conf, []byte(text), 0o644), os.Setenv("CONTAINERS_CONF", conf)); err != nil {
		return nil, err
	}
	p := networker{name: podman, path: path, version: firstLine(path, "--version"), network: podman, neighbour: "neighbour-1"}
	p.flags = []string{"--root", dir + "/root", "--runroot", dir + "/run", "--tmpdir", dir + "/tmp", "--network-config-dir", dir + "/networks",
		"--cgroup-manager", "cgroupfs", "--events-backend", "file"}
	p.runFlags = []string{"--rm", "--cgroups", "disabled"}
	p.remove = []string{"rm", "--force", "--time", "0"}
	all = append(all, &p)
	if _, err := b.clock(append(append([]string{path}, p.flags...), "network", "create", "names")...); err != nil {
		b.missing = append(b.missing, fmt.Sprintf("podman makes no network with names: %v (apt-get install netavark aardvark-dns)", err))
		return all, nil
	}
	q := p
	q.name, q.version, q.network, q.named = podmanNames, "", "names", true
	q.neighbour = "neighbour-2"
	return append(all, &q), nil
}
