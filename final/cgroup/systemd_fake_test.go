//go:build linux

package cgroup

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/cgroup/systemd"
)

// The interfaces of systemd. org.freedesktop.systemd1(5)
const (
	service = "org.freedesktop.systemd1"
	manager = service + ".Manager"
)

// fakeSystemd is a bus with a systemd on it, on which each call ends as the test says.
type fakeSystemd struct {
	t *testing.T
	// root is a tree of version 2.
	root string
	// started is called for the directory of a scope.
	started func(dir string)
	// failures are the names of errors for the next calls of a method, the first first.
	failures map[string][]string
	// result is that of all jobs, and controlGroup that of all units.
	result, controlGroup string

	mutex sync.Mutex
	calls []string
	// listeners are the connections that want signals.
	listeners map[net.Conn]bool
}

func newFakeSystemd(t *testing.T) *fakeSystemd {
	t.Helper()
	f := &fakeSystemd{
		t: t, root: t.TempDir(), failures: map[string][]string{}, result: "done", controlGroup: "/system.slice/p-n.scope", listeners: map[net.Conn]bool{},
	}
	socket := path.Join(t.TempDir(), "bus")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+socket)
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				f.serve(conn)
				conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		served.Wait()
	})
	return f
}

// serve is the other end of one connection. https://dbus.freedesktop.org/doc/dbus-specification.html#auth-protocol
func (f *fakeSystemd) serve(conn net.Conn) {
	in := bufio.NewReader(conn)
	if _, err := in.ReadByte(); err != nil {
		return
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil || strings.HasPrefix(line, "BEGIN") {
			break
		}
		answer := "ERROR\r\n"
		switch {
		case strings.HasPrefix(line, "AUTH EXTERNAL"):
			answer = "OK 0123456789abcdef0123456789abcdef\r\n"
		case strings.HasPrefix(line, "AUTH"):
			answer = "REJECTED EXTERNAL\r\n"
		}
		io.WriteString(conn, answer)
	}
	for {
		call, err := dbus.DecodeMessage(in)
		f.mutex.Lock()
		if err != nil {
			delete(f.listeners, conn)
			f.mutex.Unlock()
			return
		}
		if call.Headers[dbus.FieldMember].Value() == "AddMatch" {
			f.listeners[conn] = true
		}
		reply, signals := f.answer(call)
		f.send(conn, reply)
		for listener := range f.listeners {
			for _, signal := range signals {
				f.send(listener, signal)
			}
		}
		f.mutex.Unlock()
	}
}

func (f *fakeSystemd) send(conn net.Conn, message *dbus.Message) {
	if err := message.EncodeTo(conn, binary.LittleEndian); err != nil {
		f.t.Errorf("%v: %v", message, err)
	}
}

// answer returns the reply to a call, and the signals that go to every listener.
func (f *fakeSystemd) answer(call *dbus.Message) (reply *dbus.Message, signals []*dbus.Message) {
	method := call.Headers[dbus.FieldMember].Value().(string)
	headers := map[dbus.HeaderField]dbus.Variant{dbus.FieldReplySerial: dbus.MakeVariant(call.Serial())}
	reply = &dbus.Message{Type: dbus.TypeMethodReply, Headers: headers}
	line := method
	if names := f.failures[method]; len(names) > 0 {
		f.failures[method] = names[1:]
		if names[0] != "" {
			f.calls = append(f.calls, line+": "+names[0])
			reply.Type = dbus.TypeError
			headers[dbus.FieldErrorName] = dbus.MakeVariant(service + "." + names[0])
			return reply, nil
		}
	}
	var body []any
	switch method {
	case "Hello":
		body = []any{":1.1"}
	case "Get":
		value := ""
		if call.Body[0] == service+".Scope" {
			value = f.controlGroup
		}
		body = []any{dbus.MakeVariant(value)}
	case "StartTransientUnit", "StopUnit":
		job := dbus.ObjectPath("/org/freedesktop/systemd1/job/7")
		body = []any{job}
		if method == "StartTransientUnit" {
			f.started(path.Join(f.root, f.controlGroup))
		}
		// A job of others ends too.
		signals = []*dbus.Message{jobRemoved("/org/freedesktop/systemd1/job/6", "failed"), jobRemoved(job, f.result)}
	}
	if method == "SetUnitProperties" {
		for _, p := range call.Body[2].([][]any) {
			line += " " + p[0].(string)
		}
	}
	f.calls = append(f.calls, line)
	if body != nil {
		reply.Body = body
		headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	}
	return reply, signals
}

func jobRemoved(job dbus.ObjectPath, result string) *dbus.Message {
	body := []any{uint32(7), job, "p-n.scope", result}
	return &dbus.Message{Type: dbus.TypeSignal, Body: body, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath:      dbus.MakeVariant(dbus.ObjectPath("/org/freedesktop/systemd1")),
		dbus.FieldInterface: dbus.MakeVariant(manager), dbus.FieldMember: dbus.MakeVariant("JobRemoved"),
		dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(body...)),
	}}
}

// called returns the calls since the last time, but for those of every connection.
func (f *fakeSystemd) called() []string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	var calls []string
	for _, call := range f.calls {
		if call != "Hello" && call != "AddMatch" && call != "Subscribe" && call != "Get" {
			calls = append(calls, call)
		}
	}
	f.calls = nil
	return calls
}

func (f *fakeSystemd) scope(r *specs.LinuxResources) *Cgroup {
	f.t.Helper()
	require.NoError(f.t, os.MkdirAll(path.Join(f.root, "system.slice"), 0o755))
	f.started = func(dir string) {
		assert.NoError(f.t, os.MkdirAll(dir, 0o755))
		for _, file := range []string{"cgroup.procs", "pids.max", "cgroup.events"} {
			assert.NoError(f.t, os.WriteFile(path.Join(dir, file), nil, 0o600))
		}
		assert.NoError(f.t, os.WriteFile(path.Join(dir, "cgroup.controllers"), []byte("cpu io memory pids"), 0o600))
	}
	s, err := systemd.ParseScope(":p:n", "web1")
	require.NoError(f.t, err)
	c, err := newScope(s, V2, []tree{{version: 2, mount: f.root, own: "/"}}, r)
	require.NoError(f.t, err)
	return c
}

func pidsLimit(n int64) *specs.LinuxResources {
	return &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &n}}
}

func TestScopeCallsSystemd(t *testing.T) {
	f := newFakeSystemd(t)
	c := f.scope(pidsLimit(7))
	dir := path.Join(f.root, "system.slice/p-n.scope")
	require.NoError(t, c.Make())
	require.NoError(t, c.Set(pidsLimit(7)))
	assert.NoDirExists(t, dir)
	assert.Empty(t, f.called())
	require.NoError(t, c.Remove())
	assert.Empty(t, f.called(), "there is nothing to remove yet")

	require.NoError(t, c.Join(os.Getpid()))
	assert.Equal(t, []string{"StartTransientUnit"}, f.called(), "what it was told it need not be told again")
	assert.Equal(t, "7", fileText(t, dir, "pids.max"))
	require.NoError(t, c.Join(os.Getpid()))
	assert.Empty(t, f.called(), "the next process joins like any other")
	require.NoError(t, c.Set(pidsLimit(8)))
	assert.Equal(t, []string{"SetUnitProperties TasksMax"}, f.called())
	assert.Equal(t, "8", fileText(t, dir, "pids.max"))

	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, c.Remove())
	assert.Equal(t, []string{"StopUnit", "ResetFailedUnit"}, f.called())
	f.failures["StopUnit"] = []string{"NoSuchUnit"}
	require.NoError(t, c.Remove(), "it is gone")
	assert.DirExists(t, path.Join(f.root, "system.slice"), "that is systemd's")
}

func TestScopeThatFailed(t *testing.T) {
	f := newFakeSystemd(t)
	f.failures["StartTransientUnit"] = []string{"UnitExists"}
	require.NoError(t, f.scope(nil).Join(os.Getpid()))
	assert.Equal(t, []string{"StartTransientUnit: UnitExists", "ResetFailedUnit", "StartTransientUnit"}, f.called())

	f.failures["StartTransientUnit"] = []string{"UnitExists", "UnitExists"}
	assert.EqualError(t, f.scope(nil).Join(os.Getpid()), "start the systemd unit p-n.scope: org.freedesktop.systemd1.UnitExists")

	f.result = "timeout"
	assert.EqualError(t, f.scope(nil).Join(os.Getpid()),
		`start the systemd unit p-n.scope: the job ended with "timeout" (see systemctl status p-n.scope)`)

	f.result, f.controlGroup = "done", "/system.slice/_p-n.scope"
	assert.EqualError(t, f.scope(nil).Join(os.Getpid()),
		`the cgroup of the systemd unit p-n.scope is "/system.slice/_p-n.scope", `+
			`not "/system.slice/p-n.scope" (choose another linux.cgroupsPath)`)
}
