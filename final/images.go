//go:build linux

package main

import (
	"slices"

	"container-workshop/final/container"
	"container-workshop/final/engine"
	images "container-workshop/final/engine/image"
	"container-workshop/final/helper/ask"
	"container-workshop/final/process"
	"container-workshop/final/report"
)

// The verbs that are about images and nothing else are all the helper's work.
func init() {
	for _, v := range images.Verbs {
		verbs = append(verbs, verb{v.Name, v.Args, v.About, helped(v.Name), 1, false, root})
	}
}

// helped makes this process the helper. The helper gets the name of final, the storage of final, and the arguments of the verb.
func helped(name string) func(*container.Store, []string) (int, error) {
	return func(_ *container.Store, args []string) (int, error) {
		return process.StatusFailed, ask.Become(name, slices.Concat([]string{report.Name(), engine.Home()}, args))
	}
}
