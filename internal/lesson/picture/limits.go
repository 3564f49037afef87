package picture

var step6 = picture{
	title: "Step 6: the tree of cgroups, and the limits of the command",
	alt: "Before, the command is in the same cgroup as your shell, without limits, and takes 300 MiB of memory. " +
		"After, the command and its children are in a cgroup of their own below /sys/fs/cgroup, with limits on memory, processes and CPU time. run stays outside.",
	note: "Version 1 has three such trees.",
	before: panel{
		headline: "The command is in your cgroup",
		scene: below(16,
			screen("", "the command", "# head -c 300m /dev/zero | tail | wc -c", "314572800"),
			box{class: "host", title: "/sys/fs/cgroup", body: box{class: "host", title: "user.slice", body: below(8,
				chips{"host", []string{"your shell", "run"}},
				chips{"own", []string{"bash", "head", "tail", "wc"}},
				gauges(gauge{"memory.max", -1, "max: no limit"}, gauge{"pids.max", -1, "max: no limit"}, gauge{"cpu.max", -1, "max: no limit"})),
			}},
		),
	},
	after: panel{
		headline: "The command has a cgroup with limits",
		scene: below(16,
			screen("", "the command", "# head -c 300m /dev/zero | tail | wc -c", "0"),
			box{class: "host", title: "/sys/fs/cgroup", body: below(12,
				box{class: "host", title: "user.slice", body: chips{"host", []string{"your shell", "run"}}},
				box{class: "new", title: "container-workshop-4700-…", body: below(8,
					chips{"own", []string{"bash", "head", "tail", "wc"}},
					gauges(gauge{"memory.max", 1, "64m, then killed"}, gauge{"pids.max", 4. / 64, "64, then EAGAIN"}, gauge{"cpu.max", 0.3, "1 CPU, then waits"}))}),
			},
		),
	},
}

func gauges(all ...node) node { return below(0, all...) }

// cut is a line between two things.
type cut string

func (n cut) height() float64 { return rowHeight }

func (n cut) draw(c *canvas, x, y, width float64) {
	side := (width-letterWidth*float64(len(n)))/2 - 12
	c.add(`<path class="line new" stroke-dasharray="6 5" d="M%g %gH%gM%g %gH%g"/>`, x, y+11, x+side, x+width-side, y+11, x+width)
	c.text(x+width/2, y+16, width, "new middle", string(n))
}
