//go:build linux

package main

import (
	"fmt"

	"container-workshop/final/container"
	"container-workshop/final/engine"
	images "container-workshop/final/engine/image"
	"container-workshop/final/process"
	"container-workshop/final/report"
)

// The names of the verbs, for the table and for their --help.
const (
	diffArgs    = "ID"
	diffAbout   = "list what a container has changed: A added, C changed, D deleted"
	commitArgs  = "[flags] ID [IMAGE]"
	commitAbout = "make an image of what a container has changed"
)

// diff lists what a container has changed.
func diff(store *container.Store, args []string) (int, error) {
	set := flagSet("diff", diffArgs, diffAbout)
	if err := parse(set, args, 1, 1); err != nil {
		return process.StatusFailed, err
	}
	changes, err := engine.OpenChanges(store, set.Arg(0))
	if err != nil {
		return process.StatusFailed, err
	}
	defer changes.Close()
	list, err := changes.List()
	if err != nil {
		return process.StatusFailed, err
	}
	for _, c := range list {
		// The container has chosen the name.
		fmt.Println(c.Kind, report.Printable(string(c.Path)))
	}
	return 0, nil
}

// commitImage makes an image of what a container has changed.
func commitImage(store *container.Store, args []string) (int, error) {
	set := flagSet("commit", commitArgs, commitAbout)
	var q images.Commit
	set.StringVar(&q.Author, "author", "", "who makes the image, such as `NAME` <MAIL>")
	set.StringVarP(&q.Message, "message", "m", "", "a `TEXT` for the history of the image")
	set.StringArrayVar(&q.Change, "change", nil, "change a setting of the image by an `INSTRUCTION` of a Dockerfile:\nCMD, ENTRYPOINT, ENV, LABEL, STOPSIGNAL, USER or WORKDIR")
	pause := set.Bool("pause", true, "pause the processes of the container meanwhile")
	if err := parse(set, args, 1, 2); err != nil {
		return process.StatusFailed, err
	}
	changes, err := engine.OpenChanges(store, set.Arg(0))
	if err != nil {
		return process.StatusFailed, err
	}
	defer changes.Close()
	q.Names = set.Args()[1:]
	digest, err := changes.Commit(&q, *pause)
	if err != nil {
		return process.StatusFailed, err
	}
	fmt.Println(digest)
	return 0, nil
}
