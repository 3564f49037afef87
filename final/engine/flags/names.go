//go:build linux

package flags

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"container-workshop/final/engine/network"
)

// A KnownHost is a line of /etc/hosts.
type KnownHost struct {
	Name string
	// IP is the zero value for the host itself, as the network of the container reaches it.
	IP netip.Addr
}

// gateway is the word for the host itself, as in Docker.
const gateway = "host-gateway"

// parseAddress reads the address of a DNS server. resolv.conf(5)
func parseAddress(text string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.IsUnspecified() || ip.IsMulticast() {
		return netip.Addr{}, errors.New("must be the IP address of a DNS server, such as 192.0.2.53")
	}
	return ip, nil
}

// checkedDomain refuses a domain that would be several words in /etc/resolv.conf. "." stands for no domain at all.
func checkedDomain(text string) (string, error) {
	if text == "." {
		return text, nil
	}
	return text, checkName(text, "a domain, such as example.org, or . for none")
}

// checkName refuses what cannot be a DNS name. RFC 1123 has no underscore, but many networks do.
func checkName(text, must string) error {
	bad := fmt.Errorf("%q: must be %s", text, must)
	if len(text) > 253 {
		return bad
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(text, "."), ".") {
		rest := strings.TrimLeft(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
		if label == "" || len(label) > 63 || rest != "" || label[0] == '-' {
			return bad
		}
	}
	return nil
}

// parseKnownHost reads NAME:IP, and NAME=IP as newer programs write it. The address may be in brackets.
func parseKnownHost(text string) (host KnownHost, err error) {
	name, address, found := "", "", false
	if i := strings.IndexAny(text, ":="); i >= 0 {
		name, address, found = text[:i], text[i+1:], true
	}
	if !found {
		return host, errors.New("must be NAME:IP, such as db:192.0.2.7")
	}
	if err := checkName(name, "a name, such as db or db.example.org"); err != nil {
		return host, err
	}
	if inner, brackets := strings.CutPrefix(address, "["); brackets && strings.HasSuffix(inner, "]") {
		address = strings.TrimSuffix(inner, "]")
	}
	if address == gateway {
		return KnownHost{Name: name}, nil
	}
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Zone() != "" {
		return host, fmt.Errorf("%q: must be an IP address, such as 192.0.2.7 or 2001:db8::7, or "+gateway, address)
	}
	return KnownHost{name, ip}, nil
}

// addPorts reads a --publish.
func (o *Options) addPorts(text string) error {
	ports, err := network.ParsePublish(text)
	o.Publish = append(o.Publish, ports...)
	return err
}

func checkedAlias(text string) (string, error) {
	return text, checkName(text, "a name, such as db or db.example.org")
}

// checkNetwork refuses ports and names that no network can have. named says that the caller has named the network.
func (o *Options) checkNetwork(named bool) error {
	if err := network.CheckPorts(o.Publish); err != nil {
		return err
	}
	flag := "--publish"
	switch {
	case len(o.Publish) > 0:
	case len(o.Aliases) > 0:
		flag = "--network-alias"
	default:
		return o.checkResolvers()
	}
	switch {
	case o.Joins() != "":
		return fmt.Errorf("%s: ports and names belong to container %s, which has the network (use %[1]s there)", flag, o.Joins())
	case o.Network == "host":
		return fmt.Errorf("%s: the container has the ports and the name of the host (leave --network host out)", flag)
	case o.Network == "none" && named:
		return fmt.Errorf("%s: nobody reaches a container with the loopback interface alone (leave --network none out)", flag)
	case o.Network == "none":
		o.Network = network.Default
	}
	return o.checkResolvers()
}

// checkResolvers refuses a DNS server at the loopback interface of the container: the DNS server of the network cannot ask there. It also
// refuses the host as a known host, if no network leads to the host.
func (o *Options) checkResolvers() error {
	for _, host := range o.KnownHosts {
		if !host.IP.IsValid() && (o.Network == "none" || o.Network == "host" || o.Joins() != "") {
			return fmt.Errorf("--add-host %s:%s: final knows no gateway of --network %s (use --network bridge, or an address)", host.Name, gateway, o.Network)
		}
	}
	for _, ip := range o.DNS {
		if o.Network != "none" && o.Network != "host" && o.Joins() == "" && ip.IsLoopback() {
			return fmt.Errorf("--dns %s: the DNS server of network %s asks from the host, and cannot reach the loopback interface of the container: use another address", ip, o.Network)
		}
	}
	return nil
}
