//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"container-workshop/final/container"
	"container-workshop/final/engine"
	"container-workshop/final/engine/network"
	"container-workshop/final/process"
)

// port prints where the host publishes the ports of a container.
func port(store *container.Store, args []string) (int, error) {
	set := flagSet("port", "ID [PORT[/udp]]", "print where the host publishes the ports of a container")
	if err := parse(set, args, 1, 2); err != nil {
		return process.StatusFailed, err
	}
	id := set.Arg(0)
	if _, err := store.Glance(id); err != nil {
		return process.StatusFailed, err
	}
	ports, err := engine.Ports(store.Root, id)
	if err != nil {
		return process.StatusFailed, err
	}
	wanted := set.Arg(1)
	if wanted != "" && !strings.Contains(wanted, "/") {
		wanted += "/tcp"
	}
	var lines []string
	for _, p := range ports {
		inside := fmt.Sprintf("%d/%s", p.Container, p.Protocol)
		if wanted != "" && wanted != inside {
			continue
		}
		for _, ip := range p.Addresses() {
			line := netip.AddrPortFrom(ip, p.Host).String()
			if wanted == "" {
				line = inside + " -> " + line
			}
			lines = append(lines, line)
		}
	}
	switch {
	case len(ports) == 0:
		return process.StatusFailed, fmt.Errorf("container %s publishes no port, or has ended (run -p publishes ports)", id)
	case len(lines) == 0:
		return process.StatusFailed, fmt.Errorf("container %s does not publish port %s (final port %[1]s shows what it publishes)", id, wanted)
	}
	slices.Sort(lines)
	fmt.Println(strings.Join(lines, "\n"))
	return 0, nil
}

// published is a column of the list: the ports of the host, and where they lead.
func published(ports []network.Port) string {
	var all []string
	for _, p := range ports {
		all = append(all, fmt.Sprintf("%s->%d/%s", p.Outside(), p.Container, p.Protocol))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
