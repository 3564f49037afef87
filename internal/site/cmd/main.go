// Command site writes the web pages of the workshop, and serves them on this machine.
//
//	site build OUT
//	site pages OUT
//	site serve ADDRESS
//
// Without npm there are the pages alone, without search and without a player for the recordings. make calls the command, at the top of
// the workshop.
package main

import (
	"errors"
	"fmt"
	"os"

	"container-workshop/internal/site"
	"container-workshop/internal/site/serve"
)

func main() {
	if err := do(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "site:", err)
		os.Exit(1)
	}
}

func do(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "build":
		return build(args[1], true)
	case len(args) == 2 && args[0] == "pages":
		return build(args[1], false)
	case len(args) == 2 && args[0] == "serve":
		return serve.Run(".", args[1], os.Stdout)
	}
	return errors.New("want: site build build/site, or site serve 127.0.0.1:8015")
}

// build writes the pages into the folder out, with or without what comes from npm.
func build(out string, npm bool) error {
	s, err := site.New(".")
	if err != nil {
		return err
	}
	if !npm {
		return s.Build(out)
	}
	if err := s.Install("build/npm"); err != nil {
		return err
	}
	if err := s.Build(out); err != nil {
		return err
	}
	return site.Equip("build/npm", out)
}
