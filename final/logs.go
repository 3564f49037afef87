//go:build linux

package main

import (
	"io"
	"os"

	"container-workshop/final/container"
)

func logs(root string, args []string) (int, error) {
	set := flags("logs", "ID", "print the output of a detached container")
	if err := parse(set, args, 1, 1); err != nil {
		return container.StatusFailed, err
	}
	file, err := container.LogFile(root, set.Arg(0))
	if err != nil {
		return container.StatusFailed, err
	}
	defer file.Close()
	_, err = io.Copy(os.Stdout, file)
	return 0, err
}
