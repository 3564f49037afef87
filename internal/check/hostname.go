//go:build linux

package check

import (
	"fmt"
	"os"
)

// hostname are the properties of a UTS namespace.
var hostname = []Property{
	{
		Name:  uts,
		Step:  2,
		Needs: []string{starts},
		Why:   "Without a UTS namespace of its own, a container renames the host.",
		Where: "step02-uts/README.md#how-it-works",
		check: func(p *Program) error {
			return p.whileReady(func(s *session) error { return s.ownNamespace("uts") })
		},
	},
	{
		Name:  hostnameSet,
		Step:  2,
		Needs: []string{uts, output},
		Why:   "A name of its own tells you at every prompt that you are in the container.",
		Where: "step02-uts/README.md#how-it-works",
		check: func(p *Program) error {
			r, err := p.run("cat /proc/sys/kernel/hostname 2>/dev/null || hostname")
			if err != nil {
				return err
			}
			return want("the hostname", "container\n", r.stdout)
		},
	},
	{
		Name:  hostnameGiven,
		Step:  2,
		Needs: []string{hostnameSet},
		Why:   "You tell containers apart by their names.",
		Where: "step02-uts/README.md#how-it-works",
		check: (*Program).takesHostname,
	},
	{
		Name:  hostKeepsName,
		Step:  2,
		Needs: []string{hostnameGiven},
		Why:   "The host is known by its name at your prompt, in logs and in the network. A container must not change that name.",
		Where: "step02-uts/README.md#how-it-works",
		check: func(p *Program) error {
			before, err := os.Hostname()
			if err != nil {
				return unclear(err)
			}
			if err := p.takesHostname(); err != nil {
				return err
			}
			after, err := os.Hostname()
			if err != nil {
				return unclear(err)
			}
			return want("the hostname of the host", before, after)
		},
	},
}

// takesHostname returns an error unless --hostname sets the hostname of the container.
func (p *Program) takesHostname() error {
	r, err := p.run("cat /proc/sys/kernel/hostname 2>/dev/null || hostname", "--hostname", "given.example")
	if err != nil {
		return err
	}
	if r.stdout == "" {
		return fmt.Errorf("with --hostname given.example, run %s", printed(r.stdout, r.stderr))
	}
	return want("with --hostname given.example, the hostname", "given.example\n", r.stdout)
}
