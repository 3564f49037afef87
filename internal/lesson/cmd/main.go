//go:build linux

// Command lesson writes the parts of the pages that come from the programs, and the recordings.
//
//	lesson generate PAGE ...    write the diffs and tables, and the picture of each lesson
//	lesson record PAGE ...      record the terminal of each page, and draw it; needs root
//
// Start it in the top folder of the workshop. It prints what it has changed, and exits with 1 if something fails.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"container-workshop/internal/check"
	"container-workshop/internal/lesson"
)

func main() {
	if err := act(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "lesson: %v\n", err)
		os.Exit(1)
	}
}

func act(args []string) error {
	if len(args) < 2 {
		return errors.New("want generate or record, and pages")
	}
	for _, path := range args[1:] {
		page, err := lesson.Read(path)
		if err != nil {
			return err
		}
		switch args[0] {
		case "generate":
			err = generate(page)
		case "record":
			err = record(page)
		default:
			err = fmt.Errorf("%s: want generate or record", args[0])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func generate(page *lesson.Document) error {
	path, svg, err := page.Picture()
	if err != nil {
		return err
	}
	if path != "" {
		if err := write(path, svg); err != nil {
			return err
		}
	}
	text, err := page.Generate()
	if err != nil {
		return err
	}
	return write(page.Path, text)
}

// write writes a file if its text changes, and prints its path.
func write(path string, text []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	fmt.Println(path)
	return os.WriteFile(path, text, 0o644)
}

func record(page *lesson.Document) error {
	top, err := os.Getwd()
	if err != nil {
		return err
	}
	rootfs := os.Getenv("ROOTFS")
	if rootfs == "" {
		rootfs = check.DefaultRootfs
	}
	fmt.Println(page.Path)
	return page.Record(top, rootfs)
}
