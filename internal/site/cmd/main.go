// Command site writes the web pages of the workshop.
//
//	site build OUT
//
// make calls it, at the top of the workshop.
package main

import (
	"fmt"
	"os"

	"container-workshop/internal/site"
)

func main() {
	if err := do(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "site:", err)
		os.Exit(1)
	}
}

func do(args []string) error {
	if len(args) != 2 || args[0] != "build" {
		return fmt.Errorf("want: site build build/site")
	}
	s, err := site.New(".")
	if err != nil {
		return err
	}
	if err := s.Install("build/npm"); err != nil {
		return err
	}
	if err := s.Build(args[1]); err != nil {
		return err
	}
	return site.Equip("build/npm", args[1])
}
