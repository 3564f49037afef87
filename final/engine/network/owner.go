//go:build linux

package network

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Nobody is the Owner of a port at which nobody listens, as far as we can see.
const Nobody = "another program"

// Owner names the program that listens at a port of the host, as well as we can see.
func (p Port) Owner() string {
	inodes := p.inodes()
	if len(inodes) == 0 {
		return Nobody
	}
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return Nobody
	}
	for _, entry := range processes {
		pid, err := strconv.Atoi(entry.Name())
		if err == nil && holds(pid, inodes) {
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			return fmt.Sprintf("%q (PID %d)", strings.TrimSpace(string(name)), pid)
		}
	}
	return "the kernel, or a program that you may not see"
}

// holds reports whether a process has one of these sockets open. proc_pid_fd(5)
func holds(pid int, inodes map[string]bool) bool {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	links, _ := os.ReadDir(dir)
	for _, link := range links {
		if to, err := os.Readlink(dir + "/" + link.Name()); err == nil && inodes[to] {
			return true
		}
	}
	return false
}

// inodes returns the sockets at a port, as the links in /proc/PID/fd name them.
func (p Port) inodes() map[string]bool {
	all := map[string]bool{}
	for _, table := range []string{p.Protocol, p.Protocol + "6"} {
		content, _ := os.ReadFile("/proc/self/net/" + table)
		for line := range strings.Lines(string(content)) {
			if inode, ok := p.match(line); ok {
				all["socket:["+inode+"]"] = true
			}
		}
	}
	return all
}

// match returns the inode of a line of /proc/net/tcp, if its socket takes what comes for the port. proc_pid_net(5)
func (p Port) match(line string) (inode string, ok bool) {
	const local, state, number = 1, 3, 9
	const listening = "0A"
	fields := strings.Fields(line)
	if len(fields) <= number || p.Protocol == "tcp" && fields[state] != listening {
		return "", false
	}
	at, err := parseSocket(fields[local])
	if err != nil {
		return "", false
	}
	other := Port{IP: at.Addr(), Host: at.Port(), Protocol: p.Protocol}
	if at.Addr() == netip.IPv6Unspecified() {
		// The socket may take packets of IPv4, too. ipv6(7)
		other.IP = netip.Addr{}
	}
	return fields[number], p.Overlaps(other)
}

// parseSocket reads an address such as 0100007F:1F90. The kernel prints each 32 bits of the address as a number of this processor.
func parseSocket(text string) (netip.AddrPort, error) {
	address, port, _ := strings.Cut(text, ":")
	bytes, err := hex.DecodeString(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	for i := 0; i+4 <= len(bytes); i += 4 {
		binary.NativeEndian.PutUint32(bytes[i:], binary.BigEndian.Uint32(bytes[i:]))
	}
	ip, ok := netip.AddrFromSlice(bytes)
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil || !ok {
		return netip.AddrPort{}, unix.EINVAL
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), nil
}
