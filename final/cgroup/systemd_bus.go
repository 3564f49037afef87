//go:build linux

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"
)

// The names of what we call, and of the errors that matter. org.freedesktop.systemd1(5)
const (
	service      = "org.freedesktop.systemd1"
	manager      = service + ".Manager"
	errNoUnit    = service + ".NoSuchUnit"
	errNotLoaded = service + ".UnitNotLoaded"
	errExists    = service + ".UnitExists"
)

// patienceOfUnits is how long systemd may take for a job.
const patienceOfUnits = 30 * time.Second

// bus is a connection to systemd, for a few calls.
type bus struct {
	ctx     context.Context
	cancel  func()
	conn    *dbus.Conn
	systemd dbus.BusObject
}

// property is one of a unit, in the form in which it is sent.
type property struct {
	Name  string
	Value dbus.Variant
}

func connect() (*bus, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patienceOfUnits)
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, fmt.Errorf("connect to systemd by D-Bus: %w (install and start dbus, or leave out --systemd-cgroup)", err)
	}
	return &bus{ctx, cancel, conn, conn.Object(service, "/org/freedesktop/systemd1")}, nil
}

func (b *bus) close() {
	b.conn.Close()
	b.cancel()
}

// root returns the cgroup that systemd has for itself and all units. It is empty on a host, and another in a container.
func (b *bus) root() (string, error) {
	value, err := b.systemd.GetProperty(manager + ".ControlGroup")
	if err != nil {
		return "", fmt.Errorf("ask systemd for its cgroup: %w", err)
	}
	root, _ := value.Value().(string)
	return root, nil
}

// start makes a scope with a process in it, and waits until that is done.
func (b *bus) start(s *scope, limits []property, pid int) error {
	properties := append([]property{
		{"Description", dbus.MakeVariant(s.description)},
		{"Slice", dbus.MakeVariant(s.slice)},
		{"PIDs", dbus.MakeVariant([]uint32{uint32(pid)})},
		// What is below the cgroup is the container's, and all controllers are enabled.
		{"Delegate", dbus.MakeVariant(true)},
		// When the host goes down, who runs the container ends it, not systemd at the same time.
		{"DefaultDependencies", dbus.MakeVariant(false)},
		{"CPUAccounting", dbus.MakeVariant(true)},
		{"MemoryAccounting", dbus.MakeVariant(true)},
		{"TasksAccounting", dbus.MakeVariant(true)},
		{"IOAccounting", dbus.MakeVariant(true)},
	}, limits...)
	// There are no units that it brings along.
	var auxiliary []struct {
		Name       string
		Properties []property
	}
	call := func() error { return b.job("StartTransientUnit", s.name, "replace", properties, auxiliary) }
	err := call()
	if isDBus(err, errExists) {
		// It may be one that has failed, which systemd keeps to be looked at.
		_ = b.call("ResetFailedUnit", s.name)
		err = call()
	}
	if err != nil {
		return fmt.Errorf("start the systemd unit %s: %w", s.name, err)
	}
	var dir string
	unit := b.conn.Object(service, dbus.ObjectPath("/org/freedesktop/systemd1/unit/"+escapePath(s.name)))
	if err := unit.StoreProperty(service+".Scope.ControlGroup", &dir); err != nil {
		return fmt.Errorf("ask systemd for the cgroup of %s: %w", s.name, err)
	}
	if dir != s.dir {
		return fmt.Errorf("the cgroup of the systemd unit %s is %q, not %q (choose another linux.cgroupsPath)", s.name, dir, s.dir)
	}
	return nil
}

// set changes properties until the unit ends.
func (b *bus) set(unit string, properties []property) error {
	err := b.call("SetUnitProperties", unit, true, properties)
	if err == nil {
		// It answers before it writes the limits. The next answer comes after that.
		_, err = b.root()
	}
	if err != nil {
		return fmt.Errorf("set limits of the systemd unit %s: %w", unit, err)
	}
	return nil
}

// stop ends a unit, and has systemd forget that it has failed. That there is none is no error.
func (b *bus) stop(unit string) error {
	err := b.job("StopUnit", unit, "replace")
	if err != nil && !isDBus(err, errNoUnit) && !isDBus(err, errNotLoaded) {
		return fmt.Errorf("stop the systemd unit %s: %w", unit, err)
	}
	_ = b.call("ResetFailedUnit", unit)
	return nil
}

func (b *bus) call(method string, args ...any) error {
	return b.systemd.CallWithContext(b.ctx, manager+"."+method, 0, args...).Err
}

// job calls a method that answers with a job, and waits until that is done.
func (b *bus) job(method string, args ...any) error {
	signals := make(chan *dbus.Signal, 100)
	b.conn.Signal(signals)
	defer b.conn.RemoveSignal(signals)
	err := b.conn.AddMatchSignalContext(b.ctx, dbus.WithMatchInterface(manager), dbus.WithMatchMember("JobRemoved"))
	if err != nil {
		return err
	}
	// Without a subscriber, systemd sends no signals.
	if err := b.call("Subscribe"); err != nil && !isDBus(err, service+".AlreadySubscribed") {
		return err
	}
	var job dbus.ObjectPath
	if err := b.systemd.CallWithContext(b.ctx, manager+"."+method, 0, args...).Store(&job); err != nil {
		return err
	}
	for {
		select {
		case <-b.ctx.Done():
			return fmt.Errorf("the job did not end within %v", patienceOfUnits)
		case signal, open := <-signals:
			if !open {
				return errors.New("lost the connection to D-Bus")
			}
			var id uint32
			var path dbus.ObjectPath
			var unit, result string
			if signal.Name != manager+".JobRemoved" || dbus.Store(signal.Body, &id, &path, &unit, &result) != nil || path != job {
				continue
			}
			if result != "done" {
				return fmt.Errorf("the job ended with %q (see systemctl status %s)", result, unit)
			}
			return nil
		}
	}
}

// isDBus tells errors apart by their names.
func isDBus(err error, name string) bool {
	var e dbus.Error
	return errors.As(err, &e) && e.Name == name
}

// escapePath writes a name so that it can be part of the path of an object: what is neither a letter nor a digit as _2d.
// sd_bus_path_encode(3)
func escapePath(name string) string {
	path := ""
	for i, b := range []byte(name) {
		if 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' && i > 0 {
			path += string(rune(b))
		} else {
			path += fmt.Sprintf("_%02x", b)
		}
	}
	return path
}
