//go:build linux

package main

import (
	"errors"
	"fmt"
	"slices"

	"container-workshop/final/container"
	"container-workshop/final/engine"
	images "container-workshop/final/engine/image"
	"container-workshop/final/helper/ask"
	"container-workshop/final/process"
	"container-workshop/final/report"
)

// allVerbs returns all verbs. The verbs that are only about images are the work of the helper.
func allVerbs() []verb {
	all := slices.Clone(verbs)
	for _, v := range images.Verbs {
		all = append(all, verb{v.Name, v.Args, v.About, helped(v.Name), 1, false, root})
	}
	return all
}

// helped returns a verb that makes this process the helper. The helper gets the name of final, its storage, and the arguments of the verb.
func helped(name string) func(*container.Store, []string) (int, error) {
	return func(store *container.Store, args []string) (int, error) {
		if name == "prune" && len(args) == 0 {
			if err := pruneContainers(store); err != nil {
				return process.StatusFailed, err
			}
		}
		return process.StatusFailed, ask.Become(name, slices.Concat([]string{report.Name(), engine.Home()}, args))
	}
}

// pruneContainers removes the files of containers whose state is gone, as after a restart of the host, and prints their IDs. Then the helper
// keeps no image for these containers.
func pruneContainers(store *container.Store) error {
	ids, err := engine.AllAbandoned(store.Root)
	for _, id := range ids {
		if gone := store.Delete(id, false); gone != nil {
			err = errors.Join(err, gone)
			continue
		}
		fmt.Println(id)
	}
	return err
}
