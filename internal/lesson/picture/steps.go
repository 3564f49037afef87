package picture

import "strings"

// steps are the pictures of the steps, in order.
var steps = []picture{step1, step2, step3, step4, step5, step6, step7}

var step1 = picture{
	title: "Step 1: the processes that run ls, over time",
	alt: "Before, the shell makes a copy of itself, and the copy becomes ls. " +
		"After, the shell starts run, run starts child, and child becomes ls, with the same process ID. The exit status of ls goes back to run, and from run to the shell.",
	note:    "The later steps do their work in child.",
	stacked: true,
	before: panel{
		headline: "The shell starts ls",
		scene: lanes{
			processes: []lane{
				{"your shell", "PID 4000", []part{{0, 16, "host", "bash"}, {16, 88, "wait", "waits"}, {88, 100, "host", "bash"}}},
				{"ls", "PID 4700", []part{{16, 50, "host", "bash, a copy"}, {50, 88, "host", "ls"}}},
			},
			calls: []call{{16, 0, 1, "", "clone"}, {50, 1, 1, "", "execve"}, {88, 1, 0, "", "status"}},
		},
	},
	after: panel{
		headline: "run stays between the two, and child becomes ls",
		scene: lanes{
			processes: []lane{
				{"your shell", "PID 4000", []part{{0, 16, "host", "bash"}, {16, 88, "wait", "waits"}, {88, 100, "host", "bash"}}},
				{"run", "PID 4700", []part{{16, 32, "new", "run"}, {32, 76, "wait", "waits, and passes signals on"}, {76, 88, "new", "run"}}},
				{"child, ls", "PID 4711", []part{{32, 56, "new", "child"}, {56, 76, "host", "ls"}}},
			},
			calls: []call{{16, 0, 1, "", "clone"}, {32, 1, 2, "new", "clone"}, {56, 2, 2, "", "execve"}, {76, 2, 1, "new", "status"}, {88, 1, 0, "", "status"}},
		},
	},
}

var step2 = picture{
	title: "Step 2: two processes, and the hostname that each has",
	alt: "Before, the command renames the host: both processes are in the one UTS namespace, whose hostname is owned now. " +
		"After, the command has a UTS namespace of its own with the hostname owned, and the hostname of the host is still workshop.",
	before: panel{
		headline: "One hostname for everybody",
		scene: below(34,
			beside(16, screen("1 host", "your shell", "$ hostname", "owned"), screen("1 command", "the command", "# hostname owned")),
			box{class: "host", title: "UTS namespace of the host", name: "1 uts", body: below(6, plate{"", "owned"}, caption{"The whole host has a new name."})},
		),
		arrows: []arrow{{from: "1 host", to: "1 uts", label: "reads"}, {from: "1 command", to: "1 uts", label: "changes"}},
	},
	after: panel{
		headline: "A hostname for the command alone",
		scene: below(34,
			beside(16, screen("2 host", "your shell", "$ hostname", "workshop"), screen("2 command", "the command", "# hostname owned")),
			beside(16,
				box{class: "host", title: "UTS: host", name: "2 uts", body: below(6, plate{"", "workshop"}, caption{"unchanged"})},
				box{class: "new", title: "UTS: container", name: "2 own", body: below(6, plate{"new", "owned"}, caption{"was: container"})}),
		),
		arrows: []arrow{{from: "2 host", to: "2 uts", label: "reads"}, {from: "2 command", to: "2 own", label: "changes", class: "new"}},
	},
}

var step3 = picture{
	title: "Step 3: the list of processes, as the host and as the command see it",
	alt: "Before, the command sees the processes of the host, with the same process IDs, and can kill each of them. " +
		"When it ends, its child goes on. " +
		"After, it sees itself as process 1 and its child as process 2, which the host sees as 4711 and 4712. It has no process ID for any other, and when it ends, the kernel kills its child.",
	before: panel{
		headline: "The command sees every process",
		scene: below(16,
			beside(40,
				box{class: "host", title: "PIDs on the host", body: processes("", "    1 systemd", "  812 sshd", " 4700 run", " 4711 bash", " 4712 sleep")},
				box{class: "host", title: "PIDs for bash", body: processes("", "    1 systemd", "  812 sshd", " 4700 run", " 4711 bash", " 4712 sleep")}),
			screen("", "bash", "# kill 812", ""),
			caption{"sshd of the host is dead.", "When bash ends, sleep goes on."},
		),
	},
	after: panel{
		headline: "The command has PIDs of its own",
		scene: below(16,
			beside(40,
				box{class: "host", title: "PIDs on the host", body: processes("host", "    1 systemd", "  812 sshd", " 4700 run", " 4711 bash", " 4712 sleep")},
				box{class: "new", title: "PIDs for bash", body: processes("own", "    –", "    –", "    –", "    1 bash", "    2 sleep")}),
			screen("", "bash", "# kill 812", "bash: kill: (812) - No such process"),
			caption{"4711 and 1 are the same process.", "When 1 ends, the kernel kills 2."},
		),
		arrows: []arrow{
			{from: "host 4711 bash", to: "own    1 bash", class: "new", both: true},
			{from: "host 4712 sleep", to: "own    2 sleep", class: "new", both: true}},
	},
}

// processes is a list of them. Their names for arrows begin with the name of the list.
func processes(name string, list ...string) node {
	var all lines
	for _, process := range list {
		entry := line{left: process}
		if name != "" {
			entry.name = name + process
		}
		if strings.HasSuffix(process, "–") {
			entry.class = "quiet"
		}
		all = append(all, entry)
	}
	return all
}
