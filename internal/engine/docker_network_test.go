//go:build linux && engines

package engine

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestDockerNetwork(t *testing.T) {
	withDocker(t, []dockerTest{
		{"bridge", dockerBridge},
		{"a published port", dockerPort},
		{"a network with names", dockerNetworkWithNames},
		{"none", dockerNoNetwork},
		{"pod", dockerPod},
		{"pod of processes", dockerPodOfProcesses},
	})
}

// serve is a command that says hello to everybody who connects to port 80.
var serve = []string{"nc", "-ll", "-p", "80", "-e", "echo", "hello"}

// dockerBridge shows that the runtime runs the hook with which docker configures the network.
func dockerBridge(t *testing.T, d *docker) {
	one := d.detached(t, append([]string{"small"}, serve...)...)
	address := d.inspect(t, one, "{{.NetworkSettings.IPAddress}}")
	assert.Contains(t, d.exec(t, one, "ip", "addr", "show", "dev", "eth0"), " "+address+"/")
	assert.Contains(t, d.exec(t, one, "ip", "route"), "default via ")
	other := d.detached(t, "small", "sleep", "1000")
	d.exec(t, other, "ping", "-c", "1", "-W", "10", address)
	d.exec(t, other, "ping", "-c", "1", "-W", "10", d.inspect(t, one, "{{.NetworkSettings.Gateway}}"))
	assert.Equal(t, "hello", greeting(t, net.JoinHostPort(address, "80")))
	assert.NotEqual(t, d.exec(t, one, "readlink", "/proc/self/ns/net"), d.exec(t, other, "readlink", "/proc/self/ns/net"))
}

// greeting returns the words of a server, as soon as it answers.
func greeting(t *testing.T, address string) string {
	t.Helper()
	var text []byte
	var err error
	until(t, address+" says something", func() bool {
		var connection net.Conn
		if connection, err = net.DialTimeout("tcp", address, time.Second); err != nil {
			return false
		}
		defer connection.Close()
		text, err = io.ReadAll(connection)
		return len(text) > 0
	}, func() string { return err.Error() })
	return strings.TrimSpace(string(text))
}

func dockerPort(t *testing.T, d *docker) {
	id := d.detached(t, append([]string{"--publish", "127.0.0.1::80", "small"}, serve...)...)
	assert.Equal(t, "hello", greeting(t, d.ok(t, "port", id, "80")))
}

func dockerNetworkWithNames(t *testing.T, d *docker) {
	d.ok(t, "network", "create", "mine")
	t.Cleanup(func() { d.ok(t, "network", "rm", "mine") })
	d.detached(t, "--network", "mine", "--name", "server", "small", "sleep", "1000")
	client := d.detached(t, "--network", "mine", "small", "sleep", "1000")
	d.exec(t, client, "ping", "-c", "1", "-W", "10", "server")
	other := d.detached(t, "small", "sleep", "1000")
	assert.NotContains(t, d.exec(t, other, "ip", "addr"), "eth1")
	d.ok(t, "network", "connect", "mine", other)
	d.exec(t, other, "ping", "-c", "1", "-W", "10", "server")
}

func dockerNoNetwork(t *testing.T, d *docker) {
	assert.Equal(t, "lo", d.prints(t, "--network", "none", "small", "ls", "/sys/class/net"))
	d.prints(t, "--network", "none", "small", "ping", "-c", "1", "-W", "10", "127.0.0.1")
}

func dockerPod(t *testing.T, d *docker) {
	first := d.detached(t, append([]string{"--hostname", "first", "--ipc", "shareable", "small"}, serve...)...)
	of := "container:" + first
	second := d.detached(t, "--network", of, "--pid", of, "--ipc", of, "small", "sleep", "1000")
	for kind, shared := range map[string]bool{"net": true, "pid": true, "ipc": true, "mnt": false} {
		path := "/proc/self/ns/" + kind
		assert.Equal(t, shared, d.exec(t, first, "readlink", path) == d.exec(t, second, "readlink", path), kind)
	}
	assert.Equal(t, "first", d.exec(t, second, "hostname"))
	assert.Equal(t, "hello", d.exec(t, second, "nc", "127.0.0.1", "80"))
	assert.Contains(t, d.exec(t, second, "ps"), strings.Join(serve, " "))
	d.exec(t, second, "sh", "-c", "echo passed on >/dev/shm/file")
	assert.Equal(t, "passed on", d.exec(t, first, "cat", "/dev/shm/file"))
	assert.Contains(t, d.ok(t, "top", second), "sleep 1000")
	d.ok(t, "rm", "--force", second)
	assert.Equal(t, "running", d.inspect(t, first, "{{.State.Status}}"))
	assert.NotContains(t, d.exec(t, first, "ps"), "sleep 1000")
}

// dockerPodOfProcesses ends a container that another container needs.
func dockerPodOfProcesses(t *testing.T, d *docker) {
	first := d.detached(t, "small", "sleep", "1000")
	second := d.detached(t, "--pid", "container:"+first, "small", "sleep", "1000")
	d.ok(t, "kill", first)
	d.becomes(t, second, "{{.State.Status}} {{.State.ExitCode}}", "exited 137")
}
