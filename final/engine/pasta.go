//go:build linux

package engine

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"

	"container-workshop/final/engine/network"
)

// pasta is a carrier of the package passt. pasta(1)
const pasta = "pasta"

// pastaArgs give the container the same IPv4 addresses that slirp4netns gives, and the host's IPv6 addresses. Standard input is the network
// namespace. When the network works, pasta writes its PID, so standard output tells us.
//
// Without these arguments pasta would publish all ports of the container, and let the container reach ports of the host that listen on the
// loopback interface only.
func pastaArgs(ports []network.Port) []string {
	args := []string{
		pasta, "--foreground", "--quiet", "--netns=/proc/self/fd/0", "--no-netns-quit", "--pid=/proc/self/fd/1",
		"--config-net", "--ns-ifname=tap0", "--address=10.0.2.100", "--netmask=24", "--gateway=10.0.2.2", "--dns-forward=" + userDNS.String(),
		"--no-map-gw", "--tcp-ns=none", "--udp-ns=none",
	}
	published := map[string]bool{}
	for _, p := range ports {
		args = append(args, fmt.Sprintf("--%s-ports=%s/%d:%d", p.Protocol, p.IP, p.Host, p.Container))
		published[p.Protocol] = true
	}
	for _, protocol := range []string{"tcp", "udp"} {
		if !published[protocol] {
			args = append(args, "--"+protocol+"-ports=none")
		}
	}
	return args
}

// leavesLoopbackAlone reports whether this pasta passes no connection on to 127.0.0.1 of the container, where a server may trust everybody.
// A pasta from before November 2024 does so for every connection from 127.0.0.1 of the host, and no option stops that. A newer one does so
// only with the option --host-lo-to-ns-lo. Debian's pasta does not tell its version, so we look for this option in the help.
func leavesLoopbackAlone(program string) bool {
	said, _ := exec.Command(program, "--help").CombinedOutput()
	return bytes.Contains(said, []byte("--host-lo-to-ns-lo"))
}

// hasDefaultRoute reports whether the host has a way out: pasta takes the interface of the default route as its example.
func hasDefaultRoute() bool {
	v4, _ := os.ReadFile("/proc/thread-self/net/route")
	for line := range bytes.Lines(v4) {
		if fields := bytes.Fields(line); len(fields) > 7 && string(fields[1]) == "00000000" && string(fields[7]) == "00000000" {
			return true
		}
	}
	v6, _ := os.ReadFile("/proc/thread-self/net/ipv6_route")
	for line := range bytes.Lines(v6) {
		// A route that refuses packets belongs to the loopback interface.
		if fields := bytes.Fields(line); len(fields) > 9 && bytes.Count(fields[0], []byte("0")) == 32 && string(fields[1]) == "00" && string(fields[9]) != "lo" {
			return true
		}
	}
	return false
}
