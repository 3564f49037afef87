//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/spec"
)

// A mode is how a container is called.
type mode string

const (
	ofBundle mode = "run --bundle"
	ofCreate mode = "create and start"
	ofExec   mode = "exec"
	ofFlags  mode = "run with flags"
	ofDetach mode = "run --detach"
)

// A configuration is a container and the circumstances in which it is made. The same seed gives the same configuration.
type configuration struct {
	Seed     uint64
	Mode     mode
	Features []string
	Spec     *specs.Spec

	// Image and Host are files of the root file system and of the host. The owners in Image are as the container sees them.
	Image, Host []entry
	// Holder says that a process with namespaces of its own runs on the host, which the container may join.
	// HolderUser says that it has a user namespace, too.
	Holder, HolderUser bool

	// Flags are those of run or create. Command is the command of exec, and of run with flags.
	Flags, ExecFlags, Command []string
	// ExecProcess is a process for exec --process.
	ExecProcess *specs.Process
	// Stdin is null, pipe, file, socket or terminal. Output is pipe or file.
	Stdin, Output string
	// Caller are changes to the process that calls the program, as the probe knows them.
	Caller []string
	// Detached says that run --detach takes the place of create and start.
	Detached bool
	// Early says that exec comes before start.
	Early bool
	// Preserved is how many descriptors are open from 3 on.
	Preserved int
	Umask     int
}

// userBase is the first ID on the host of user namespaces.
const userBase = 100000

// A dice makes the choices of a configuration.
type dice struct {
	*rand.Rand
	// wild allows choices that most likely end in an error: the errors of two programs are the same, too.
	wild bool
}

func (d dice) chance(percent int) bool { return d.IntN(100) < percent }

func pick[T any](d dice, from ...T) T { return from[d.IntN(len(from))] }

// wildly adds choices that a wild dice has besides the tame ones.
func wildly[T any](d dice, tame []T, wild ...T) []T {
	if d.wild {
		return append(slices.Clone(tame), wild...)
	}
	return tame
}

// some returns a random selection, in the order given.
func some[T any](d dice, percent int, from ...T) []T {
	return slices.DeleteFunc(slices.Clone(from), func(T) bool { return !d.chance(percent) })
}

// features are what a configuration may have besides what all have. Each is tossed for, in this order.
var features = []struct {
	name    string
	percent int
	add     func(*configuration, dice)
}{
	{"caller", 100, caller},
	{"identifiers", 60, identifiers},
	{"an odd caller", 30, oddCaller},
	{"capabilities", 70, capabilities},
	{"user namespace", 20, userNamespace},
	{"joined namespaces", 20, joinedNamespaces},
	{"fewer namespaces", 20, fewerNamespaces},
	{"time namespace", 20, timeNamespace},
	{"cgroup namespace", 50, cgroupNamespace},
	{"mounts", 75, mounts},
	{"odd places", 30, oddPlaces},
	{"fewer mounts", 12, fewerMounts},
	{"the image has a mount", 10, mountInImage},
	{"the root is a link", 8, linkedRoot},
	{"/dev is a volume", 6, devVolume},
	{"devices", 35, devices},
	{"masks", 40, masks},
	{"propagation", 25, propagation},
	{"rlimits", 50, rlimits},
	{"resources", 50, resources},
	{"sysctl", 35, sysctls},
	{"scheduling", 35, scheduling},
	{"personality", 12, personality},
	{"memory policy", 10, memoryPolicy},
	{"seccomp", 45, filter},
	{"seccomp listener", 8, listener},
	{"environment", 60, environment},
	{"working directory", 40, workingDirectory},
	{"other command", 20, otherCommand},
	{"terminal", 15, terminal},
	{"preserved descriptors", 20, preserved},
	{"hooks", 25, hooks},
}

// generate returns the configuration of a seed.
func generate(seed uint64) *configuration {
	d := dice{Rand: rand.New(rand.NewPCG(seed, 17))}
	d.wild = d.chance(20)
	c := &configuration{Seed: seed, Mode: pick(d, ofBundle, ofBundle, ofCreate, ofCreate, ofExec, ofExec, ofFlags), Umask: 0o022}
	if c.Mode == ofFlags {
		withFlags(c, d)
		return c.quiet()
	}
	c.Spec = spec.Template(false, 0, 0)
	c.Spec.Process.Terminal = false
	c.Spec.Process.Args = []string{"/probe"}
	c.Spec.Root.Readonly = d.chance(40)
	c.Spec.Linux.CgroupsPath = "/" + c.id()
	c.Image = slices.Clone(image)
	for _, feature := range features {
		if d.chance(feature.percent) {
			before := len(c.Features)
			feature.add(c, d)
			if len(c.Features) == before && feature.percent < 100 {
				c.Features = append(c.Features, feature.name)
			}
		}
	}
	if c.Mode == ofExec {
		execIn(c, d)
	}
	return c.quiet()
}

// quiet leaves a terminal without input: the echo of input would come between what the probe prints.
func (c *configuration) quiet() *configuration {
	if slices.Contains(c.Flags, "--tty") || slices.Contains(c.ExecFlags, "--tty") || c.Spec != nil && c.Spec.Process.Terminal ||
		c.ExecProcess != nil && c.ExecProcess.Terminal {
		c.Stdin = "null"
	}
	return c
}

// id is the ID of the container.
func (c *configuration) id() string { return fmt.Sprintf("compare-%d", c.Seed) }

func (c *configuration) String() string {
	return fmt.Sprintf("seed %d: %s (%s)", c.Seed, c.Mode, strings.Join(c.Features, ", "))
}

// note replaces the name of a feature in the report by a longer one.
func (c *configuration) note(format string, args ...any) {
	c.Features = append(c.Features, fmt.Sprintf(format, args...))
}

// has reports whether the container has a namespace that is not the host's.
func (c *configuration) has(kind specs.LinuxNamespaceType) bool {
	return spec.HasNamespace(c.Spec.Linux.Namespaces, kind)
}

// makes reports whether the container makes a namespace.
func (c *configuration) makes(kind specs.LinuxNamespaceType) bool {
	return spec.MakesNamespace(c.Spec.Linux.Namespaces, kind)
}

func (c *configuration) mount(kind, source, destination string, options ...string) *specs.Mount {
	c.Spec.Mounts = append(c.Spec.Mounts, specs.Mount{Type: kind, Source: source, Destination: destination, Options: options})
	return &c.Spec.Mounts[len(c.Spec.Mounts)-1]
}

// look has the probe look at paths.
func (c *configuration) look(paths ...string) {
	c.Spec.Process.Args = append(c.Spec.Process.Args, paths...)
}
