//go:build linux

package main

import (
	"errors"

	"container-workshop/final/container"
)

func detach(root string, args []string) (int, error) { return container.StatusFailed, errors.New("TODO") }
func monitor(root string, args []string) (int, error) { return container.StatusFailed, errors.New("TODO") }
func execute(root string, args []string) (int, error) { return container.StatusFailed, errors.New("TODO") }
