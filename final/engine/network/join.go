//go:build linux

package network

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Join gives a container a place in a network: addresses that nobody else has, and its file. The caller has set ID, Root, Name, Aliases and
// Ports. Without containers, [Default] does not exist: Join makes it.
func (s *Store) Join(name string, e *Endpoint) (*Network, error) {
	if err := s.Sweep(); err != nil {
		return nil, err
	}
	holders, err := s.holders()
	if err != nil {
		return nil, err
	}
	if e.Ports, err = Reserve(e.Ports, holders); err != nil {
		return nil, err
	}
	n, err := s.Network(name)
	if err == nil && name == Default {
		// A final that was killed has left it, if it has no containers. Its subnet may collide with a newer route of the host.
		err = s.removeEmpty(n)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if name != Default {
			return nil, fmt.Errorf("there is no network %q (final network list shows all, and final network create %[1]s makes this one)", name)
		}
		n = &Network{Name: name}
		err = s.Create(n)
	}
	if err != nil {
		return nil, err
	}
	// An earlier final has made networks for root alone.
	share(filepath.Join(s.Dir, name), 0o750)
	share(filepath.Join(s.Dir, name, "network.json"), 0o640)
	others, err := s.Endpoints(n)
	if err != nil {
		return nil, err
	}
	taken := map[uint32]bool{}
	for _, other := range others {
		taken[number(n.IPv4, other.IPv4)] = true
		if other.ID == e.ID {
			return nil, fmt.Errorf("container %s is in network %s already, under --root %s: choose another ID", e.ID, name, other.Root)
		}
	}
	if n.Internal && len(e.Ports) > 0 {
		return nil, fmt.Errorf("--publish %s: nobody outside reaches a container of network %s, which is internal", e.Ports[0], name)
	}
	// 0 is the network, 1 the bridge, and the last number is the broadcast address.
	size := uint32(1) << (32 - n.IPv4.Bits())
	free := uint32(2)
	for taken[free] {
		free++
	}
	if free >= size-1 {
		return nil, fmt.Errorf("network %s has no free address left: end a container, or create a network with a larger --subnet", name)
	}
	e.Network, e.IPv4 = name, from32(as32(n.IPv4.Masked().Addr())+free)
	e.IPv6, e.MAC = ipv6Of(n.IPv6, e.IPv4), macOf(e.IPv4)
	return n, s.write(s.endpointFile(e), e)
}

// holders returns the containers of all networks that publish ports.
func (s *Store) holders() (all []Holder, err error) {
	networks, err := s.Networks()
	if err != nil {
		return nil, err
	}
	for _, n := range networks {
		endpoints, err := s.Endpoints(n)
		if err != nil {
			return nil, err
		}
		for _, e := range endpoints {
			if len(e.Ports) > 0 {
				all = append(all, Holder{e.ID, e.Ports})
			}
		}
	}
	return all, nil
}

// Leave removes the file of an endpoint, and [Default] with its last endpoint.
func (s *Store) Leave(n *Network, e *Endpoint) error {
	if err := os.Remove(filepath.Join(s.Dir, s.endpointFile(e))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if n.Name != Default {
		return nil
	}
	if err := s.removeEmpty(n); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// removeEmpty removes a network if it has no endpoints, and then returns fs.ErrNotExist.
func (s *Store) removeEmpty(n *Network) error {
	left, err := s.Endpoints(n)
	if err == nil && len(left) == 0 {
		if err = s.Remove(n); err == nil {
			err = fs.ErrNotExist
		}
	}
	return err
}

// Sweep removes the leases of containers whose state is gone: the host was turned off, or somebody killed both run and its guard.
func (s *Store) Sweep() error {
	networks, err := s.Networks()
	if err != nil {
		return err
	}
	for _, n := range networks {
		all, err := s.Endpoints(n)
		if err != nil {
			return err
		}
		for _, e := range all {
			if _, err := os.Lstat(filepath.Join(e.Root, e.ID)); !errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err := s.Leave(n, e); err != nil {
				return err
			}
		}
	}
	return nil
}
