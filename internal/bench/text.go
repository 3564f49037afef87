//go:build linux

package main

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"container-workshop/internal/lesson/picture"
)

const introduction = `# Benchmarks

<!-- written by: make bench -->

How long does a container take? These tables put ` + "`final`" + ` beside runc, crun and bubblewrap, measured in one run of ` + "`make bench`" + `.
The column final/crun divides the median of ` + "`final`" + ` by the median of crun. A bold ratio means that ` + "`final`" + ` is better.

Every runtime gets the same configuration, the same root file system (an overlay) and a state folder in memory. The
soft limit of descriptors is 1,024, as in most shells. Two columns are not runtimes:

- **bare calls** is [bench/calls.c](bench/calls.c), a C program that makes the container of the minimal configuration with
  system calls alone. No runtime can be faster: the program reads no configuration, keeps no state and handles no errors.
- **bubblewrap** does less: it makes no cgroups, sets no limits and covers no files of ` + "`/proc`" + `.

In a cell, ` + "`9.2 (8.8)`" + ` is the median of all runs, and the best run in parentheses. The runtimes take turns, in a new random
order in each round, so whatever disturbs the machine disturbs all of them.

**Warm** means that a run starts as soon as the run before has ended. **Cold** means 60 ms of rest before each run. The
kernel lets some calls wait for a *grace period*, in which every processor passes a quiet point. Shortly after another
container, such a period is often in progress already, and the wait is short. After a rest the wait is long. A container
that you start by hand is cold.
`

const startsAbout = `Each container runs ` + "`true`" + `. The rows are:

- **run, minimal**: the configuration that ` + "`final spec`" + ` writes, with a limit of memory and a limit of processes.
- **run, engine**: a configuration in the shape that podman writes, with its default seccomp profile, eleven capabilities,
  and bind mounts for ` + "`/etc/hosts`" + `, ` + "`/dev/shm`" + ` and others.
- **exec**: a second command in a running container.
- **create + start + delete**: what an engine does. It creates the container, starts it, waits for its end and deletes it.
- **run, minimal** and **run, engine, without root**: the same as an ordinary user, with a user namespace for the user's own ID
  and a range of others. There are no limits, because not every host gives cgroups to users.
`

const throughputAbout = `Minimal containers that run ` + "`true`" + `, several at a time. How many come and go in a second? More is better.
`

const crowdAbout = `The minimal container, first alone on the machine, then while many containers of the same runtime sleep. Here the runtimes
do not take turns: each has the machine to itself.
`

const bindsAbout = `The minimal container with more bind mounts, all read-only. A runtime that keeps a descriptor open for each of them fails
when it has no descriptor left.
`

const memoryAbout = `**Smallest limit** is the smallest memory limit under which ` + "`true`" + ` runs three times. Whatever the runtime itself uses in
the container's cgroup counts, too.

The other rows are memory that a container costs the host besides its command: processes that wait, watch, keep a log, or
hold a container between create and start. If processes share memory, each counts its share (Pss in proc(5)).
`

const stepsAbout = `The programs of the workshop, each running ` + "`true`" + `: each step adds a part of the container. The last row is ` + "`final run`" + ` without
a bundle, which also puts an overlay on the root file system.
`

const networksAbout = `Here ` + "`final`" + ` is an engine, as ` + "`podman run`" + ` is: each container is made from flags. Each runs ` + "`true`" + `, once without
a network and once with a network, in turns. **What the network adds** is the median of the differences. For the only
container of its network, bridge and rules come and go with the container.

A network of ` + "`final`" + ` has a server of names. The default network of podman has none. The column **podman, with names** is for a
network of ` + "`podman network create`" + `, which has one. The last rows are TCP through the bridge: to another machine, which sees
the host's address, and to the other container on the bridge. More is better there.
`

// ofKubernetes begins the section that make bench does not write, but keeps.
const ofKubernetes = "<!-- written by: make test-kubernetes -->\n"

const ending = `
## Measure it yourself

` + "```" + `sh
make bench                               # a few minutes; this page: %d runs of each row
make bench RUNS=20                       # shorter
make bench BEFORE=main                   # with one more column: final of a revision, or a program
` + "```" + `

The command needs root. It writes this page and its plot again, and leaves nothing else behind. A runtime that is not
installed has no column, and the page says how to install it. Use a quiet machine: other work makes every number larger.
`

// A machine is where the numbers come from.
type machine struct {
	kernel, processor, layout, load string
	processors                      int
	memory                          uint64
}

func findMachine() machine {
	var name unix.Utsname
	var info unix.Sysinfo_t
	_, _ = unix.Uname(&name), unix.Sysinfo(&info)
	processors, _ := os.ReadFile("/proc/cpuinfo")
	average, _ := os.ReadFile("/proc/loadavg")
	m := machine{
		kernel: unix.ByteSliceToString(name.Release[:]), processor: runtime.GOARCH, processors: runtime.NumCPU(),
		memory: info.Totalram * uint64(info.Unit), layout: "version 1", load: strings.Fields(string(average) + " ?")[0],
	}
	if load, err := strconv.ParseFloat(m.load, 64); err == nil && load > float64(m.processors)/2 {
		m.load += ": the machine was busy, so the times are too long"
	}
	if found := regexp.MustCompile(`(?m)^model name\s*: (.+)$`).FindSubmatch(processors); found != nil {
		m.processor = string(found[1])
	}
	if isVersion2(cgroups) {
		m.layout = "version 2"
	}
	return m
}

// facts returns the rows of a table.
func (m machine) facts(b *bench) [][2]string {
	facts := [][2]string{
		{"kernel", "Linux " + m.kernel},
		{"processors", fmt.Sprintf("%d, %s", m.processors, m.processor)},
		{"memory", fmt.Sprintf("%.0f GiB", float64(m.memory)/(1<<30))},
		{"cgroups", m.layout},
		{"load when the run began", m.load},
	}
	for _, p := range slices.Concat(b.peers, b.engines) {
		if p.name == podmanNames {
			continue
		}
		facts = append(facts, [2]string{p.name, cmp.Or(p.version, "version unknown")})
	}
	return facts
}

// chart shows the medians of the first table.
func (b *bench) chart() picture.Chart {
	chart := picture.Chart{
		Title: "Time of one container", Headline: "Milliseconds for one container: shorter is better",
		Note: fmt.Sprintf("medians of %d runs, in turns", b.runs),
	}
	for _, r := range b.tables[0].rows {
		group := picture.Group{Name: r.name}
		for _, p := range b.peers {
			c, ok := r.cells[p.name]
			if !ok || c.failed != nil {
				continue
			}
			group.Bars = append(group.Bars, picture.Bar{Name: p.name, Value: c.median(), Text: number(c.median(), r), Ours: p.name == final})
		}
		chart.Groups = append(chart.Groups, group)
	}
	chart.Alt = "A bar chart of the first table: " + strings.Join(names(chart.Groups), "; ") + "."
	return chart
}

// names are those of the groups, without warm and cold.
func names(groups []picture.Group) []string {
	var names []string
	for _, group := range groups {
		names = append(names, strings.NewReplacer(", warm", "", ", cold", "").Replace(group.Name))
	}
	return slices.Compact(names)
}
