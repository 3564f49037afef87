//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine"
	"container-workshop/final/engine/network"
)

// A netTrial is a trial on a host of its own: its thread has a network namespace, with a cable to another machine, and a directory of
// networks. So the network of the machine that runs the tests stays as it is.
type netTrial struct {
	*trial
	// server is another machine, which the host reaches at the addresses serverIPs. The host has hostIPs there.
	server *machine
	before []string
}

const (
	hostIP, serverIP   = "198.51.100.2", "198.51.100.1"
	hostIP6, serverIP6 = "2001:db8::2", "2001:db8::1"
	// uplinkMTU is the MTU of the cable between both.
	uplinkMTU = 1400
)

func newNetTrial(t *testing.T) *netTrial {
	t.Helper()
	c := &netTrial{trial: newTrial(t)}
	require.NoError(t, unix.Unshare(unix.CLONE_NEWNET))
	up(t, netlink.NewHandle, "lo")
	// The parts of /proc/sys that a test changes belong to this network namespace.
	c.sysctl("net/ipv4/ip_forward", "0")
	c.sysctl("net/ipv6/conf/all/forwarding", "0")
	dir := network.In(engine.Home())
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, unix.Mount("networks", dir, "tmpfs", 0, "mode=700"))
	c.mounts = c.mountTable()
	c.server = newMachine(t, "up0", []string{hostIP + "/24", hostIP6 + "/64"}, []string{serverIP + "/24", serverIP6 + "/64"})
	for _, gateway := range []string{serverIP, serverIP6} {
		link, err := netlink.LinkByName("up0")
		require.NoError(t, err)
		require.NoError(t, netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: net.ParseIP(gateway)}))
	}
	// The kernel adds the route for link-local addresses as soon as it has seen the carrier.
	c.until(func() bool { return strings.Contains(strings.Join(c.network(), "\n"), "route fe80::/64") }, func() string {
		return strings.Join(c.network(), "\n")
	})
	c.before = c.network()
	c.more = c.changed
	return c
}

// up takes an interface up.
func up(t *testing.T, handle func(...int) (*netlink.Handle, error), name string) {
	t.Helper()
	h, err := handle(unix.NETLINK_ROUTE)
	require.NoError(t, err)
	defer h.Close()
	link, err := h.LinkByName(name)
	require.NoError(t, err)
	require.NoError(t, h.LinkSetUp(link))
}

func (c *netTrial) sysctl(name, value string) {
	c.Helper()
	require.NoError(c, os.WriteFile("/proc/sys/"+name, []byte(value), 0))
}

// network is all that a container could have changed of the host's network: interfaces, addresses, routes, tables, sysctls and leases.
func (c *netTrial) network() (all []string) {
	c.Helper()
	links, err := whole(netlink.LinkList)
	require.NoError(c, err)
	for _, link := range links {
		all = append(all, "link "+link.Attrs().Name)
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := whole(func() ([]netlink.Route, error) {
			return netlink.RouteListFiltered(family, &netlink.Route{}, netlink.RT_FILTER_TABLE)
		})
		require.NoError(c, err)
		for _, r := range routes {
			if family == netlink.FAMILY_V6 && r.Table == unix.RT_TABLE_LOCAL {
				// The kernel adds these when it has made sure that an address is free.
				continue
			}
			all = append(all, fmt.Sprintf("route %v via %v dev %d table %d", r.Dst, r.Gw, r.LinkIndex, r.Table))
		}
	}
	tables, err := new(nftables.Conn).ListTables()
	require.NoError(c, err)
	for _, table := range tables {
		all = append(all, fmt.Sprintf("table %d %s", table.Family, table.Name))
	}
	for _, name := range []string{"net/ipv4/ip_forward", "net/ipv4/conf/all/accept_redirects", "net/ipv6/conf/all/forwarding"} {
		value, err := os.ReadFile("/proc/sys/" + name)
		require.NoError(c, err)
		all = append(all, name+" "+string(value))
	}
	files, err := filepath.Glob(network.In(engine.Home()) + "/[a-z]*")
	require.NoError(c, err)
	for _, file := range files {
		if filepath.Base(file) != "lock" {
			all = append(all, file)
		}
	}
	slices.Sort(all)
	return all
}

// whole repeats a question to the kernel if something has changed during the answer. netlink(7), NLM_F_DUMP_INTR
func whole[T any](ask func() (T, error)) (answer T, err error) {
	for {
		if answer, err = ask(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return answer, err
		}
	}
}

// changed is what is not as it was before the trial.
func (c *netTrial) changed() []string {
	now := c.network()
	if slices.Equal(c.before, now) {
		return nil
	}
	return []string{"before: " + strings.Join(c.before, "\n"), "now: " + strings.Join(now, "\n")}
}

// A machine is another host: a network namespace with a cable to the host of the test.
type machine struct {
	t *testing.T
	// do runs functions on the one thread that is in the namespace.
	do chan func()
	ns int
}

// newMachine makes a machine. name is the end of the cable on the host, and the other end is eth0.
func newMachine(t *testing.T, name string, host, its []string) *machine {
	t.Helper()
	m := &machine{t: t, do: make(chan func())}
	opened := make(chan error)
	go func() {
		// The thread ends with the goroutine.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			m.ns, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		opened <- err
		for f := range m.do {
			f()
		}
	}()
	require.NoError(t, <-opened)
	t.Cleanup(func() {
		close(m.do)
		unix.Close(m.ns)
	})
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, uplinkMTU
	cable := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(m.ns)}
	require.NoError(t, netlink.LinkAdd(cable))
	inside := func(families ...int) (*netlink.Handle, error) {
		return netlink.NewHandleAt(netns.NsHandle(m.ns), families...)
	}
	for i, handle := range []func(...int) (*netlink.Handle, error){netlink.NewHandle, inside} {
		h, err := handle(unix.NETLINK_ROUTE)
		require.NoError(t, err)
		link, err := h.LinkByName([]string{name, "eth0"}[i])
		require.NoError(t, err)
		for _, text := range [][]string{host, its}[i] {
			a, err := netlink.ParseAddr(text)
			require.NoError(t, err)
			a.Flags = unix.IFA_F_NODAD
			require.NoError(t, h.AddrAdd(link, a))
		}
		require.NoError(t, h.LinkSetUp(link))
		h.Close()
	}
	up(t, inside, "lo")
	return m
}

// listen serves TCP connections at an address of the machine. Whoever connects reads the address that the machine sees, and the machine
// closes the connection.
func (m *machine) listen(address string) (port int) {
	m.t.Helper()
	return m.listenAt(address, 0)
}

// listenAt is listen with a port.
func (m *machine) listenAt(address string, port int) int {
	m.t.Helper()
	var listener net.Listener
	done := make(chan error)
	m.do <- func() {
		var err error
		listener, err = net.Listen("tcp", net.JoinHostPort(address, fmt.Sprint(port)))
		done <- err
	}
	require.NoError(m.t, <-done)
	m.t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			from, _, _ := net.SplitHostPort(connection.RemoteAddr().String())
			fmt.Fprintln(connection, from)
			connection.Close()
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

// dial is a shell script that connects to an address, and prints what comes from there.
func dial(address string, port int) string {
	return fmt.Sprintf("exec 3<>/dev/tcp/%s/%d && cat <&3", address, port)
}

// shell runs a script of bash in a container of the trial.
func (c *netTrial) shell(script string, flags ...string) result {
	c.Helper()
	return c.final(c.runArgs(append([]string{"--network", "bridge"}, flags...), "/bin/bash", "-c", script)...)
}

// remarks are what the first container says about the host.
func remarks() (text string) {
	for _, name := range []string{"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"} {
		text += fmt.Sprintf("%s: warning: %s was 0: it is 1 until the last container of a network has ended\n", filepath.Base(os.Args[0]), name)
	}
	return text
}

// The server is on another machine, which knows no route to the container. So it sees the address of the host.
func TestABridgeLeadsToTheWorld(t *testing.T) {
	c := newNetTrial(t)
	port, port6 := c.server.listen(serverIP), c.server.listen(serverIP6)
	r := c.shell(dial(serverIP, port) + "; " + dial(serverIP6, port6) + "; cat /sys/class/net/eth0/mtu")
	require.Equal(t, result{fmt.Sprintf("%s\n%s\n%d\n", hostIP, hostIP6, uplinkMTU), remarks(), 0}, r)
	c.nothingLeft()

	r = c.final(c.runArgs(nil, "/bin/bash", "-c", dial(serverIP, port))...)
	require.Contains(t, r.stderr, "Network is unreachable", "without --network there is only the loopback interface")
	require.Equal(t, 1, r.status)
	c.nothingLeft()
}

// Programs for virtual private networks turn IPv6 off, and on again.
func TestAHostThatTurnsIPv6OffMeanwhile(t *testing.T) {
	c := newNetTrial(t)
	first := c.start("first", "--network", "bridge")
	_, e := c.endpoint("first")
	c.sysctl("net/ipv6/conf/all/disable_ipv6", "1")
	r := c.shell("hostname -I")
	assert.Equal(t, 0, r.status, r.stderr)
	assert.Equal(t, "10.143.0.3 \n", r.stdout)
	assert.Contains(t, r.stderr, "without IPv6 for now")
	assert.True(t, reaches(t, nil, first, nil, e.IPv4), "the other container keeps its network")
	c.sysctl("net/ipv6/conf/all/disable_ipv6", "0")
	second := c.start("second", "--network", "bridge")
	for _, ip := range []netip.Addr{e.IPv4, e.IPv6} {
		assert.True(t, reaches(t, second, first, nil, ip), ip)
	}
}

// An interface of somebody else has a name that final would give.
func TestInterfacesOfOthersStay(t *testing.T) {
	c := newNetTrial(t)
	for _, name := range []string{"ws0-2", "workshop0"} {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = name
		its := &netlink.Bridge{LinkAttrs: attrs}
		require.NoError(t, netlink.LinkAdd(its))
		require.NoError(t, netlink.LinkSetUp(its))
		r := c.shell("exit 0")
		r.stderr = strings.Replace(r.stderr, remarks(), "", 1)
		refused(t, r, 125, "the host has an interface "+name+" that does not belong to final")
		found, err := netlink.LinkByName(name)
		require.NoError(t, err)
		assert.NotZero(t, found.Attrs().Flags&net.FlagUp, name)
		require.NoError(t, netlink.LinkDel(found))
		c.nothingLeft()
	}
}

// To copy the files of an image may take long. Other containers come and go meanwhile.
func TestNobodyWaitsForTheStorageOfAnother(t *testing.T) {
	flags := []string{"--network", "bridge"}
	storage, plugged := place{side: "state", network: true}, place{side: "state", network: true}
	for _, p := range places(t, flags, true, "state") {
		switch {
		case strings.HasPrefix(p.call, "mkdir(") && strings.Contains(p.call, engine.Storage()):
			storage = p
		case p.call == "open(net)":
			plugged = p
		}
	}
	require.NotEmpty(t, storage.call, "there is no such stage")
	require.NotEmpty(t, plugged.call, "there is no such stage")
	for p, want := range map[place]error{storage: nil, plugged: unix.EWOULDBLOCK} {
		c := newNetTrial(t)
		more := filepath.Join(t.TempDir(), "go-on")
		cmd := c.interrupted(p, more, flags, "true")
		require.NoError(t, cmd.Start())
		c.atStage()
		lock, err := os.Open(filepath.Join(network.In(engine.Home()), "lock"))
		require.NoError(t, err)
		assert.Equal(t, want, unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB), p.call)
		require.NoError(t, lock.Close())
		require.NoError(t, os.WriteFile(more, nil, 0o600))
		require.NoError(t, cmd.Wait(), p.call)
		c.nothingLeft()
	}
}
