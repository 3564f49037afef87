//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"container-workshop/final/cgroup/stats"
	"container-workshop/final/container"
	"container-workshop/final/process"
)

// An event is one line of output: what the container uses, or that the kernel killed a process because memory ran out.
type event struct {
	Type string       `json:"type"`
	ID   string       `json:"id"`
	Data *stats.Stats `json:"data,omitempty"`
}

// events prints what a container uses, once or at intervals until the container ends.
func events(store *container.Store, args []string) (int, error) {
	set := flagSet("events", "[flags] ID", "print the resource usage of a container as JSON, and when it runs out of memory")
	once := set.Bool("stats", false, "print the usage once, and exit")
	interval := set.Duration("interval", 5*time.Second, "time between two lines, such as 500ms")
	if err := parse(set, args, 1, 1); err != nil {
		return process.StatusFailed, err
	}
	if *interval <= 0 {
		return process.StatusFailed, fmt.Errorf("--interval %s: must be above 0, such as 500ms", *interval)
	}
	id := set.Arg(0)
	group, err := store.Stats(id)
	if err != nil {
		return process.StatusFailed, err
	}
	var mutex sync.Mutex
	show := func(e event) error {
		mutex.Lock()
		defer mutex.Unlock()
		return json.NewEncoder(os.Stdout).Encode(e)
	}
	showUsage := func() error {
		data, err := stats.Read(group)
		if err != nil {
			return err
		}
		return show(event{"stats", id, data})
	}
	if *once {
		return 0, showUsage()
	}
	ctx, stop := context.WithCancel(context.Background())
	watched := make(chan error, 1)
	go func() { watched <- stats.WatchOOM(ctx, group, func() { _ = show(event{Type: "oom", ID: id}) }) }()
	for {
		select {
		case err := <-watched:
			stop()
			return 0, err
		case <-time.After(*interval):
			if state, err := store.Glance(id); err != nil || state.Pid == 0 {
				stop()
				return 0, <-watched
			}
			if err := showUsage(); err != nil {
				stop()
				return process.StatusFailed, err
			}
		}
	}
}
