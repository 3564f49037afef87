//go:build linux

package engine

import (
	"fmt"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"container-workshop/final/engine/network"
)

// reserveForUser refuses the ports that an ordinary user cannot publish, and finds free ports of the host, before anything is made. slirp4netns
// knows IPv4 only.
func reserveForUser(by carrier, ports []network.Port) ([]network.Port, error) {
	if len(ports) == 0 {
		return nil, nil
	}
	ports = slices.Clone(ports)
	for i := range ports {
		p := &ports[i]
		if p.IP.Is6() && by.name == slirp {
			return nil, fmt.Errorf("--publish %s: %s knows IPv4 only: use an IPv4 address or none, as in 8080:%d (%s of a passt from 2025 or later knows IPv6, too)", p, slirp, p.Container, pasta)
		}
		if !p.IP.IsValid() {
			p.IP = netip.IPv4Unspecified()
		}
	}
	return network.Reserve(ports, holdersOfUser())
}

// holdersOfUser returns the user's containers that publish ports. A container counts if its carrier still runs.
func holdersOfUser() (all []network.Holder) {
	// Without the directory there are no containers.
	names, _ := os.ReadDir(Storage())
	for _, name := range names {
		ports, err := portsOfUser(name.Name())
		if err != nil || len(ports) == 0 {
			continue
		}
		dir, err := openDirectory(name.Name())
		if err != nil {
			continue
		}
		if carrierOf(dir) != 0 {
			all = append(all, network.Holder{ID: name.Name(), Ports: ports})
		}
		unix.Close(dir)
	}
	return all
}
