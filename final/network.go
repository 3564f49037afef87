//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"text/tabwriter"

	"container-workshop/final/container"
	"container-workshop/final/engine"
	"container-workshop/final/engine/network"
	"container-workshop/final/process"
	"container-workshop/final/report"
)

// networkVerb returns what follows network, or nil. All these verbs have the lock of the networks. Docker's words for list and remove work,
// too.
func networkVerb(name string) func(s *network.Store, args []string) error {
	return map[string]func(s *network.Store, args []string) error{
		"create": createNetwork, "list": listNetworks, "ls": listNetworks, "inspect": inspectNetwork, "remove": removeNetworks, "rm": removeNetworks,
	}[name]
}

const networkUsage = "create [--subnet CIDR] [--internal] NAME | list (ls) | inspect NAME | remove (rm) NAME ..."

// networks creates, lists and removes networks of containers. The bridge of a network is there as long as a container is.
func networks(_ *container.Store, args []string) (int, error) {
	set := flagSet("network", networkUsage, "create, list and remove networks of containers")
	set.SetInterspersed(false)
	if err := parse(set, args, 1, -1); err != nil {
		return process.StatusFailed, err
	}
	do := networkVerb(set.Arg(0))
	if do == nil {
		return process.StatusFailed, fmt.Errorf("network %q: must be create, list, inspect or remove (see final network --help)", set.Arg(0))
	}
	s, err := network.Open(network.In(engine.Home()))
	if err != nil {
		return process.StatusFailed, err
	}
	defer s.Close()
	engine.Serve(s, global.log.Warn)
	return 0, do(s, set.Args()[1:])
}

func createNetwork(s *network.Store, args []string) error {
	set := flagSet("network create", "[flags] NAME", "create a network, for run --network NAME")
	subnet := set.String("subnet", "", "private `SUBNET` of IPv4, such as 10.1.2.0/24 (default: a free one)")
	internal := set.Bool("internal", false, "a network without a way out: not to other networks, and not to the host")
	if err := parse(set, args, 1, 1); err != nil {
		return err
	}
	n := &network.Network{Name: set.Arg(0), Internal: *internal}
	if n.Name == network.Default {
		return fmt.Errorf("network %s comes with its first container (choose another name)", n.Name)
	}
	if *subnet != "" {
		var err error
		if n.IPv4, err = netip.ParsePrefix(*subnet); err != nil {
			return fmt.Errorf("--subnet %q: must be a network of IPv4 with 16 to 29 bits, such as 10.1.2.0/24", *subnet)
		}
	}
	if err := s.Create(n); err != nil {
		return err
	}
	_, err := fmt.Println(n.Name)
	return err
}

func listNetworks(s *network.Store, args []string) error {
	if err := parse(flagSet("network list", "", "list networks"), args, 0, 0); err != nil {
		return err
	}
	all, err := s.Networks()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tBRIDGE\tSUBNET\tIPV6\tINTERNAL\tCONTAINERS")
	for _, n := range all {
		endpoints, err := s.Endpoints(n)
		if err != nil {
			return err
		}
		six := "-"
		if n.IPv6.IsValid() {
			six = n.IPv6.String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%v\t%d\n", n.Name, n.Bridge, n.IPv4, six, n.Internal, len(endpoints))
	}
	return w.Flush()
}

func inspectNetwork(s *network.Store, args []string) error {
	set := flagSet("network inspect", "NAME", "print a network and its containers as JSON")
	if err := parse(set, args, 1, 1); err != nil {
		return err
	}
	n, err := findNetwork(s, set.Arg(0))
	if err != nil {
		return err
	}
	endpoints, err := s.Endpoints(n)
	if err != nil {
		return err
	}
	return report.WriteJSON(os.Stdout, struct {
		*network.Network
		Gateway    netip.Addr
		Containers []*network.Endpoint
	}{n, n.Gateway(), append([]*network.Endpoint{}, endpoints...)}, "")
}

// removeNetworks removes networks without containers. A container whose state is gone does not count.
func removeNetworks(s *network.Store, args []string) error {
	set := flagSet("network remove", "NAME ...", "remove networks")
	if err := parse(set, args, 1, -1); err != nil {
		return err
	}
	if err := s.Sweep(); err != nil {
		return err
	}
	for _, name := range set.Args() {
		n, err := findNetwork(s, name)
		if err != nil {
			return err
		}
		endpoints, err := s.Endpoints(n)
		if err != nil {
			return err
		}
		var ids []string
		for _, e := range endpoints {
			ids = append(ids, e.ID)
		}
		if len(ids) > 0 {
			return fmt.Errorf("network %s has containers: %s (delete these first)", name, strings.Join(ids, ", "))
		}
		if err := s.Remove(n); err != nil {
			return err
		}
	}
	return nil
}

func findNetwork(s *network.Store, name string) (*network.Network, error) {
	n, err := s.Network(name)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("there is no network %q (final network list shows all)", name)
	}
	return n, err
}
