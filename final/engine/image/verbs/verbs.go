//go:build linux

// Package verbs runs in final-helper. It has the verbs of final that are about images and nothing else, each in a file: final becomes the
// helper for them. So their standard streams are the caller's, and their error is the error of final.
package verbs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/ingest"
	"container-workshop/final/engine/image/layer"
	"container-workshop/final/report"
	"container-workshop/final/rootless"
)

// verbs do the work. Each gets its arguments in the call.
var verbs = map[string]func(c *call) error{
	"pull":    pull,
	"push":    push,
	"login":   login,
	"logout":  logout,
	"load":    load,
	"save":    save,
	"import":  imports,
	"images":  images,
	"rmi":     remove,
	"history": history,
	"inspect": inspect,
	"prune":   prune,
}

// A call is the call of a verb.
type call struct {
	// program is the name that final has, such as runc.
	program, home string
	// store is open after parse.
	store *image.Store
	set   *pflag.FlagSet
	args  []string
	// begin is called when the flags have their values.
	begin func()
}

// Main calls a verb with the name of final, the storage of final and the arguments of the verb, and returns the exit status.
func Main(v image.Verb, args []string) int {
	c := &call{set: pflag.NewFlagSet(v.Name, pflag.ContinueOnError), program: args[0], home: args[1], args: args[2:]}
	c.set.Usage = func() {
		fmt.Printf("NAME:\n   %s %s - %s\n\nUSAGE:\n   %s\n", c.program, v.Name, v.About, strings.TrimSpace(c.program+" "+v.Name+" "+v.Args))
		if c.set.HasFlags() {
			fmt.Printf("\nFLAGS:\n%s", c.set.FlagUsages())
		}
	}
	err := verbs[v.Name](c)
	if errors.Is(err, pflag.ErrHelp) || err == nil {
		return 0
	}
	fmt.Fprintf(os.Stderr, "%s: %s\n", c.program, report.OneLine(err.Error()))
	return 1
}

// parse parses the arguments, and opens the store. There have to be at least some arguments, and no more than most unless that is -1.
func (c *call) parse(least, most int) error {
	err := c.set.Parse(c.args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return err
	case err != nil:
		return fmt.Errorf("%w (see %s %s --help)", err, c.program, c.set.Name())
	case c.set.NArg() < least || most >= 0 && c.set.NArg() > most:
		return fmt.Errorf("%s: wrong number of arguments (see %s %[1]s --help)", c.set.Name(), c.program)
	}
	c.args = c.set.Args()
	if c.begin != nil {
		c.begin()
	}
	c.store, err = image.Open(c.home)
	return err
}

// adder adds images to the store, and unpacks their layers.
func (c *call) adder() *ingest.Adder {
	return &ingest.Adder{Store: c.store, Options: layer.Options{UserXattr: rootless.Is(), Squash: rootless.One()}}
}

// open opens the file that an argument names: - is the standard input.
func open(name string) (*os.File, error) {
	if name == "-" {
		return os.Stdin, nil
	}
	return os.Open(name)
}

var background = context.Background()
