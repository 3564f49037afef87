//go:build linux

package main

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// finalsHome is where final keeps its networks.
const finalsHome = "/var/lib/container-workshop"

// measureNetworks times containers with a network, on a host of its own: a network namespace with a cable to another one, and /run and the
// files of final in memory. So the network of this machine stays as it is.
func (b *bench) measureNetworks() error {
	errs := make(chan error)
	go func() {
		// A command has the namespaces of the thread that starts it. The thread ends with this goroutine.
		runtime.LockOSThread()
		errs <- b.onOtherHost()
	}()
	return <-errs
}

func (b *bench) onOtherHost() error {
	for _, dir := range []string{"/run", finalsHome} {
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"); err != nil && err != unix.ENOENT {
			return fmt.Errorf("mount a tmpfs on %s: %w", dir, err)
		}
	}
	world, err := newWorld()
	if err != nil {
		return err
	}
	defer unix.Close(world)
	if err := b.copyItself(); err != nil {
		return err
	}
	engines, err := b.findNetworkers()
	if err != nil {
		return err
	}
	t := table{name: "Networks", about: networksAbout}
	// The first container of a network makes the bridge, and the last one removes the bridge.
	t.rows = append(t.rows, b.networkStarts("the only container", engines)...)
	stop, err := b.neighbours(engines)
	if err == nil {
		t.rows = append(t.rows, b.networkStarts("beside another container", engines)...)
		t.rows = append(t.rows, b.networkRates(engines)...)
	}
	stop()
	b.tables = append(b.tables, t)
	for _, e := range engines {
		if e.name != final {
			b.engines = append(b.engines, &peer{name: e.name, version: e.version})
		}
	}
	return err
}

// networkStarts times containers without and with a network in turns. What the network adds is the difference of a pair.
func (b *bench) networkStarts(name string, engines []*networker) []row {
	none := row{name: name + ", no network", unit: "ms", cells: map[string]cell{}}
	with := row{name: name + ", a network", unit: "ms", cells: map[string]cell{}}
	var tasks []task
	for _, e := range engines {
		tasks = append(tasks, task{e.name, func() (float64, error) {
			var took [2]float64
			for i, network := range []string{"none", e.network} {
				var err error
				if took[i], err = b.clock(e.run(b, network, nil, toTrue...)...); err != nil {
					return 0, err
				}
				time.Sleep(cold)
			}
			none.cells[e.name] = cell{values: append(none.cells[e.name].values, took[0])}
			with.cells[e.name] = cell{values: append(with.cells[e.name].values, took[1])}
			return took[1] - took[0], nil
		}})
	}
	adds := b.alternate(name+", what the network adds", "ms", b.runs, cold, tasks)
	adds.pairs = true
	for _, r := range []row{none, with} {
		// The first round fills caches.
		for _, e := range engines {
			c := cell{values: r.cells[e.name].values, failed: adds.cells[e.name].failed}
			if len(c.values) > 1 {
				c.values = c.values[1:]
			}
			r.cells[e.name] = c
		}
		b.show(r)
	}
	return []row{none, with, adds}
}

// neighbours starts a container in each network, which takes bytes until stop.
func (b *bench) neighbours(engines []*networker) (stop func(), err error) {
	stop = func() {
		for _, e := range engines {
			_, _ = b.clock(slices.Concat([]string{e.path}, e.flags, e.remove, []string{e.neighbour})...)
		}
	}
	for _, e := range engines {
		line := e.run(b, e.network, []string{"--detach", "--name", e.neighbour}, itself, asReceiver)
		if _, err := b.clock(line...); err != nil && e.name == final {
			return stop, err
		}
	}
	return stop, nil
}
