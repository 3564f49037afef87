//go:build linux

package link

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A legacyFamily is where the kernel keeps the tables of one family that are not in nftables: those of iptables-legacy. The numbers are
// offsets in struct ipt_entry, or ip6t_entry.
type legacyFamily struct {
	command, names            string
	socket, level             int
	iniface, offsets, matches int
}

var legacyFamilies = []legacyFamily{
	{"iptables-legacy", "/proc/net/ip_tables_names", unix.AF_INET, unix.SOL_IP, 16, 88, 112},
	{"ip6tables-legacy", "/proc/net/ip6_tables_names", unix.AF_INET6, unix.SOL_IPV6, 64, 140, 168},
}

// has reports whether somebody uses a table. A question to the kernel about a table that nobody uses would make the table.
func (f legacyFamily) has(table string) bool {
	names, _ := os.ReadFile(f.names)
	return slices.Contains(strings.Fields(string(names)), table)
}

// Numbers of hooks, and sizes of the headers of matches and targets.
const (
	hookInput, hookForward = 1, 2
	header                 = 32
)

// A filter is the table filter: its entries, with the offsets of the policies of its chains.
type filter struct {
	legacyFamily
	underflow [5]uint32
	entries   []byte
}

// read asks the kernel for the table filter. include/uapi/linux/netfilter_ipv4/ip_tables.h
func (f legacyFamily) read() (*filter, error) {
	fd, err := unix.Socket(f.socket, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	const getInfo, getEntries, infoSize, front = 64, 65, 84, 40
	info := make([]byte, infoSize)
	copy(info, "filter")
	if err := getsockopt(fd, f.level, getInfo, info); err != nil {
		return nil, err
	}
	t := &filter{legacyFamily: f}
	for i := range t.underflow {
		t.underflow[i] = binary.NativeEndian.Uint32(info[56+4*i:])
	}
	size := binary.NativeEndian.Uint32(info[80:])
	all := make([]byte, front+size)
	copy(all, "filter")
	binary.NativeEndian.PutUint32(all[32:], size)
	if err := getsockopt(fd, f.level, getEntries, all); err != nil {
		return nil, err
	}
	t.entries = all[front:]
	return t, nil
}

func getsockopt(fd, level, name int, buffer []byte) error {
	length := uint32(len(buffer))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(&buffer[0])), uintptr(unsafe.Pointer(&length)), 0)
	if errno != 0 {
		return os.NewSyscallError("getsockopt", errno)
	}
	return nil
}

// entry returns an entry, cut off at the next one, and the offset of its target.
func (t *filter) entry(at uint32) (entry []byte, target int) {
	entry = t.entries[at:]
	target = int(binary.NativeEndian.Uint16(entry[t.offsets:]))
	return entry[:binary.NativeEndian.Uint16(entry[t.offsets+2:])], target
}

// drops reports whether the policy of a chain is DROP.
func (t *filter) drops(hook int) bool {
	const drop = -1
	entry, target := t.entry(t.underflow[hook])
	return int32(binary.NativeEndian.Uint32(entry[target+header:])) == drop
}

// allows reports whether any rule is about a bridge, or about port 53 if dns says so.
func (t *filter) allows(bridge string, dns bool) bool {
	for at := 0; at < len(t.entries); {
		entry, target := t.entry(uint32(at))
		if unix.ByteSliceToString(entry[t.iniface:t.iniface+unix.IFNAMSIZ]) == bridge {
			return true
		}
		for match := t.matches; dns && match < target; {
			size := int(binary.NativeEndian.Uint16(entry[match:]))
			name, data := unix.ByteSliceToString(entry[match+2:match+header]), entry[match+header:]
			if name == "multiport" || name == "udp" && binary.NativeEndian.Uint16(data[4:]) == 53 {
				return true
			}
			match += size
		}
		at += len(entry)
	}
	return false
}

// blockedByLegacy is Blocked for the tables that iptables-legacy has made.
func blockedByLegacy(bridge string, internal bool) (remarks []string) {
	for _, family := range legacyFamilies {
		if !family.has("filter") {
			continue
		}
		t, err := family.read()
		if err != nil {
			continue
		}
		uses := func(chain string) bool { return bytes.Contains(t.entries, []byte(chain)) }
		if !internal && t.drops(hookForward) && !t.allows(bridge, false) {
			who, remedy := "iptables", allowForward(family.command, "FORWARD", bridge)
			switch {
			case uses("ufw"):
				who, remedy = "ufw", "ufw route allow in on "+bridge
			case uses("DOCKER-USER"):
				who, remedy = "Docker", allowForward(family.command, "DOCKER-USER", bridge)
			}
			remarks = append(remarks, dropsForward(who, "FORWARD of "+family.command, bridge, remedy))
		}
		if t.drops(hookInput) && !t.allows(bridge, true) {
			who, remedy := "iptables", allowNames(family.command, bridge)
			if uses("ufw") {
				who, remedy = "ufw", fmt.Sprintf("ufw allow in on %s to any port 53", bridge)
			}
			remarks = append(remarks, dropsNames(who, "INPUT of "+family.command, bridge, remedy))
		}
	}
	return remarks
}
