//go:build linux

// Package systemd runs on the host side. Where systemd manages the cgroups of the host, it also has to know the cgroup of a container.
// This package asks systemd, by D-Bus, for a scope: a unit for processes that systemd did not start.
// org.freedesktop.systemd1(5), systemd.scope(5)
package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// booted exists if process 1 is systemd. sd_booted(3)
const booted = "/run/systemd/system"

// patience is how long systemd may take to answer, or for a job.
const patience = 30 * time.Second

// Property is a property of a unit.
type Property = systemd.Property

// CheckRunning returns an error unless process 1 is systemd.
func CheckRunning() error {
	if info, err := os.Stat(booted); err != nil || !info.IsDir() {
		return fmt.Errorf("systemd is not running, because %s is not a directory: leave out --systemd-cgroup", booted)
	}
	return nil
}

// talk connects to systemd for a few calls.
func talk(calls func(context.Context, *systemd.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := connect(ctx)
	if err != nil {
		return fmt.Errorf("connect to systemd by D-Bus: %w (install and start dbus, or leave out --systemd-cgroup)", err)
	}
	defer conn.Close()
	return calls(ctx, conn)
}

// Root returns the cgroup that has systemd and all of its units. Root is empty on a host, but not in a container.
func Root() (root string, err error) {
	err = talk(func(_ context.Context, conn *systemd.Conn) error {
		quoted, err := conn.GetManagerProperty("ControlGroup")
		if err != nil {
			return fmt.Errorf("ask systemd for its cgroup: %w", err)
		}
		root, err = strconv.Unquote(quoted)
		return err
	})
	return root, err
}

// Start starts a scope with one process in it, and waits until systemd has done so. It then compares the cgroup of the scope with dir.
func (s *Scope) Start(dir string, limits []Property, pid int) error {
	properties := append([]Property{
		systemd.PropDescription(s.description),
		systemd.PropSlice(s.slice),
		systemd.PropPids(uint32(pid)),
		// The container may make cgroups below its own, with all controllers.
		value("Delegate", true),
		// When the host goes down, the engine ends its containers. Without this property, systemd ends them at the same time.
		value("DefaultDependencies", false),
		value("CPUAccounting", true),
		value("MemoryAccounting", true),
		value("TasksAccounting", true),
		value("IOAccounting", true),
	}, limits...)
	return talk(func(ctx context.Context, conn *systemd.Conn) error {
		start := func(done chan<- string) (int, error) {
			return conn.StartTransientUnitContext(ctx, s.Name, "replace", properties, done)
		}
		err := await(ctx, s.Name, start)
		if isError(err, "UnitExists") {
			// systemd keeps a unit that has failed, until somebody resets it.
			_ = conn.ResetFailedUnitContext(ctx, s.Name)
			err = await(ctx, s.Name, start)
		}
		if err != nil {
			return fmt.Errorf("start the systemd unit %s: %w", s.Name, err)
		}
		found, err := conn.GetUnitTypePropertyContext(ctx, s.Name, "Scope", "ControlGroup")
		if err != nil {
			return fmt.Errorf("ask systemd for the cgroup of %s: %w", s.Name, err)
		}
		if found.Value.Value() != dir {
			return fmt.Errorf("the cgroup of the systemd unit %s is %v, not %q (choose another linux.cgroupsPath)", s.Name, found.Value, dir)
		}
		return nil
	})
}

// Set changes properties of a unit until the unit ends.
func Set(unit string, properties []Property) error {
	return talk(func(ctx context.Context, conn *systemd.Conn) error {
		err := conn.SetUnitPropertiesContext(ctx, unit, true, properties...)
		if err == nil {
			// systemd answers before it writes the limits, and writes them before it answers the next call.
			_, err = conn.GetManagerProperty("ControlGroup")
		}
		if err != nil {
			return fmt.Errorf("set limits of the systemd unit %s: %w", unit, err)
		}
		return nil
	})
}

// Attach moves a process into a unit, which has to be delegated. For the systemd of a user, the host's systemd moves the process if the user
// may not. org.freedesktop.systemd1(5), AttachProcessesToUnit()
func Attach(unit string, pid int) error {
	return talk(func(ctx context.Context, conn *systemd.Conn) error {
		if err := conn.AttachProcessesToUnit(ctx, unit, "", []uint32{uint32(pid)}); err != nil {
			return fmt.Errorf("move process %d into the systemd unit %s: %w", pid, unit, err)
		}
		return nil
	})
}

// Stop ends a unit, and makes systemd forget whether the unit has failed. Stop succeeds if there is no such unit.
func Stop(unit string) error {
	return talk(func(ctx context.Context, conn *systemd.Conn) error {
		err := await(ctx, unit, func(done chan<- string) (int, error) { return conn.StopUnitContext(ctx, unit, "replace", done) })
		if err != nil && !isError(err, "NoSuchUnit") && !isError(err, "UnitNotLoaded") {
			return fmt.Errorf("stop the systemd unit %s: %w", unit, err)
		}
		_ = conn.ResetFailedUnitContext(ctx, unit)
		return nil
	})
}

// await starts a job of systemd and waits until the job is done.
func await(ctx context.Context, unit string, job func(done chan<- string) (int, error)) error {
	done := make(chan string, 1)
	if _, err := job(done); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("the job did not end within %v", patience)
	case result := <-done:
		if result != "done" {
			return fmt.Errorf("the job ended with %q (see systemctl status %s)", result, unit)
		}
		return nil
	}
}

// isError reports whether systemd answered with an error of this name.
func isError(err error, name string) bool {
	var e dbus.Error
	return errors.As(err, &e) && e.Name == "org.freedesktop.systemd1."+name
}

func value(name string, v any) Property { return Property{Name: name, Value: dbus.MakeVariant(v)} }
