//go:build linux

package engine

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/container"
	"container-workshop/final/engine/flags"
	"container-workshop/final/engine/network"
	"container-workshop/final/helper/ask"
	"container-workshop/final/rootless"
	"container-workshop/final/stage"
)

// A connection is the place of a container in a network, while the container is made.
type connection struct {
	dir     string
	network string
	// joined is the network, after join.
	joined *network.Network
	// Endpoint is complete after join.
	*network.Endpoint
	tell func(string)
	// store is open from begin to plug, while the helper works. A passage leads from final, which has the end ours, to the helper, which waits
	// at the end its for the network namespace.
	store     *network.Store
	helper    ask.Pending
	ours, its *os.File
}

// connect returns the connection that the flags ask for. It is nil for a container that has only the loopback interface, or the network of
// somebody else. Nothing is made yet. The configuration lets such a container ping.
func connect(root string, options *flags.Options, config *specs.Spec, tell func(string)) *connection {
	if options.Network == "none" || options.Network == "host" || options.Joins() != "" || rootless.Is() {
		return nil
	}
	allowPing(config)
	e := &network.Endpoint{
		ID: options.Name, Root: root, Name: options.Name, Aliases: options.Aliases, Ports: options.Publish, Resolvers: options.DNS,
	}
	return &connection{dir: network.In(Home()), network: options.Network, Endpoint: e, tell: tell}
}

// allowPing lets group 0 of a container send ping, unless --sysctl says something else. Without CAP_NET_RAW, ping needs that. icmp(7)
func allowPing(config *specs.Spec) {
	const groups = "net.ipv4.ping_group_range"
	if _, set := config.Linux.Sysctl[groups]; set {
		return
	}
	config.Linux.Sysctl = maps.Clone(config.Linux.Sysctl)
	if config.Linux.Sysctl == nil {
		config.Linux.Sysctl = map[string]string{}
	}
	config.Linux.Sysctl[groups] = "0 0"
}

// joinNetwork puts the network namespace of another container into a configuration, for --network container:ID.
func joinNetwork(store *container.Store, options *flags.Options, config *specs.Spec) error {
	id := options.Joins()
	if id == "" {
		return nil
	}
	c, err := store.Open(id)
	if err != nil {
		return fmt.Errorf("--network container:%s: %w", id, err)
	}
	defer c.Close()
	if c.Status != specs.StateRunning && c.Status != specs.StateCreated {
		return fmt.Errorf("--network container:%s: the container is %s (its network has ended with it)", id, c.Status)
	}
	// The descriptor stays open as long as final runs: the PID may mean another process by the time somebody uses it.
	its, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", c.Pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil && !c.IsAlive() {
		err = unix.ESRCH
	}
	if err != nil {
		return fmt.Errorf("--network container:%s: %w", id, err)
	}
	if isOurNetwork(its) {
		return fmt.Errorf("--network container:%s: the container has the network of the host (use --network host, if you mean that)", id)
	}
	path := fmt.Sprintf("/proc/self/fd/%d", its)
	for i := range config.Linux.Namespaces {
		if n := &config.Linux.Namespaces[i]; n.Type == specs.NetworkNamespace {
			n.Path = path
		}
	}
	return nil
}

func isOurNetwork(namespace int) bool {
	var ours, its unix.Stat_t
	err := errors.Join(unix.Stat("/proc/self/ns/net", &ours), unix.Fstat(namespace, &its))
	return err == nil && ours.Dev == its.Dev && ours.Ino == its.Ino
}

// join takes addresses for the container, and writes them down.
func (c *connection) join(line *stage.Line) {
	if c == nil {
		return
	}
	line.Do(fmt.Sprintf("write(%q)", filepath.Join(c.dir, c.network, "endpoints", c.ID+".json")), "flock(2)", 0, func() error {
		// Without the helper, nobody could remove the network of the container again.
		if err := ask.Find(); err != nil {
			return err
		}
		s, err := network.Open(c.dir)
		if err != nil {
			return err
		}
		defer s.Close()
		c.joined, err = s.Join(c.network, c.Endpoint)
		return err
	})
}

// begin starts the helper, which does what needs no network namespace while others make the container. From here to the end of plug nobody
// else can change a network, so what may take long comes before.
func (c *connection) begin(line *stage.Line) {
	if c == nil {
		return
	}
	line.Do("clone(final-helper)", "clone(2)", 0, func() (err error) {
		if c.store, err = network.Open(c.dir); err != nil {
			return err
		}
		if c.ours, c.its, err = network.Passage(); err != nil {
			return err
		}
		q := network.Question{Dir: c.dir, Root: c.Root, ID: c.ID, Side: "network"}
		c.helper = ask.Begin("network", q, c.store.Lock, c.its)
		return nil
	})
}

// plug has the helper connect the network namespace of the container. If something has failed meanwhile, the helper gives up.
func (c *connection) plug(line *stage.Line, namespace *os.File) {
	var records stage.List
	var remarks []string
	line.Wait("wait(final-helper)", "wait4(2)", func() error {
		// Our copy of the helper's end is open, so this succeeds even if the helper is gone. If it fails, close lets the helper give up.
		if err := network.Pass(c.ours, namespace); err != nil {
			return err
		}
		return c.helper.Answer(&records, &remarks)
	})
	c.close()
	for _, remark := range remarks {
		c.tell(remark)
	}
	line.Add(records.Records)
}

// close waits for the end of the helper's work, and gives up the lock of the store.
func (c *connection) close() {
	c.ours.Close()
	if c.helper != nil {
		_ = c.helper.Answer(new(stage.List), nil)
	}
	c.its.Close()
	if c.store != nil {
		c.store.Close()
	}
}

// Unplug takes a container out of its network, if it is in one. The list gets the calls of the helper.
func Unplug(list *stage.List, root, id string) error {
	if rootless.Is() {
		return unplugUser(id)
	}
	dir := network.In(Home())
	if !network.Has(dir, id) {
		return nil
	}
	s, err := network.Open(dir)
	if err != nil {
		return err
	}
	defer s.Close()
	q := network.Question{Dir: dir, Root: root, ID: id, Unplug: true}
	if list.Side != "" {
		q.Side = "unplug"
	}
	var records stage.List
	err = ask.Helper(&records, "network", q, nil, s.Lock)
	list.Line().Add(records.Records)
	return err
}

// Serve starts the processes of networks again that somebody has killed, and tells the user. Containers keep their connections meanwhile.
func Serve(s *network.Store, tell func(string)) {
	networks, _ := s.Networks()
	for _, n := range networks {
		endpoints, err := s.Endpoints(n)
		// A container without state needs no process. Its lease stays: by the lease, delete finds the bridge, the rules and the sysctls.
		i := slices.IndexFunc(endpoints, func(e *network.Endpoint) bool {
			_, gone := os.Lstat(filepath.Join(e.Root, e.ID))
			return gone == nil
		})
		if err != nil || i == -1 || s.Served(n) {
			continue
		}
		e := endpoints[i]
		question := network.Question{Dir: s.Dir, Root: e.Root, ID: e.ID, Serve: true}
		if err := ask.Helper(new(stage.List), "network", question, nil, s.Lock); err != nil {
			tell(fmt.Sprintf("the process of network %s is gone, so its containers have neither names nor ports at 127.0.0.1: %v", n.Name, err))
			continue
		}
		tell(fmt.Sprintf("somebody had ended the process of network %s: names and ports at 127.0.0.1 are back", n.Name))
	}
}

// Ports returns the ports that a container publishes. A container that has ended publishes nothing.
func Ports(root, id string) ([]network.Port, error) {
	if rootless.Is() {
		return portsOfUser(id)
	}
	dir := network.In(Home())
	if !network.Has(dir, id) {
		return nil, nil
	}
	// Files change in one step, so to read them needs no lock.
	_, e, err := network.Inherit(dir, nil).Find(root, id)
	if err != nil || e == nil {
		return nil, err
	}
	return e.Ports, nil
}

// readEtc returns a file in /etc of another container. The container may have written anything there, so it is no longer than maxEtc bytes.
func readEtc(id, name string) string {
	file, err := os.Open(filepath.Join(FilesDir(id), name))
	if err != nil {
		return ""
	}
	defer file.Close()
	content, _ := io.ReadAll(io.LimitReader(file, maxEtc))
	return string(content)
}

const maxEtc = 1 << 16
