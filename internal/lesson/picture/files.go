package picture

var step4 = picture{
	title: "Step 4: the tree of files, and the root directory of the command in it",
	alt: "Before, the root directory of the command is that of the host. " +
		"After, it is the directory /var/lib/container-workshop/rootfs, and what is outside of that directory has no path any more.",
	before: panel{
		headline: "The command sees the host's files",
		scene: below(16,
			box{class: "host", body: tree{
				{0, "/", "/ for everybody", ""},
				{1, "etc", "", ""},
				{1, "home", "", ""},
				{1, "usr", "", ""},
				{1, "var/lib/container-workshop", "", ""},
				{2, "rootfs", "", ""},
				{3, "etc", "", ""},
				{3, "tmp", "", ""},
				{3, "usr", "", ""},
			}},
			screen("", "the command", "# ls /", "etc  home  usr  var"),
		),
	},
	after: panel{
		headline: "The command sees one branch only",
		scene: below(16,
			box{class: "host", body: tree{
				{0, "/", "/ for the host", "quiet"},
				{1, "etc", "", "quiet"},
				{1, "home", "", "quiet"},
				{1, "usr", "", "quiet"},
				{1, "var/lib/container-workshop", "", "quiet"},
				{2, "rootfs", "/ for the command", "new"},
				{3, "etc", "", ""},
				{3, "tmp", "", ""},
				{3, "usr", "", ""},
			}},
			screen("", "the command", "# ls /", "etc  tmp  usr"),
		),
	},
}

var step5 = picture{
	title: "Step 5: ps, and the lists of mounts",
	alt: "Before, /proc is empty in the container, so that ps fails, and what the command mounts is in the list of the host. " +
		"After, the container has a list of its own, made private, in which /proc shows the processes of the container, and ps prints them.",
	before: panel{
		headline: "One list of mounts, the host's",
		scene: below(34,
			screen("1 ps", "the command", "# ps", "Error, do this: mount -t proc proc /proc", "# mount -t proc proc /proc", ""),
			below(16,
				box{class: "host", title: "mounts of the host", name: "1 mounts", body: lines{
					{left: "/", right: "the host's disk"},
					{left: "/proc", right: "PIDs of the host"},
					{left: "…/rootfs/proc", right: "PIDs of the container", class: "strong"},
				}},
				caption{"The mount stays when the container ends."}),
		),
		arrows: []arrow{{from: "1 ps", to: "1 mounts", label: "mounts on the host"}},
	},
	after: panel{
		headline: "The container has its own list",
		scene: below(34,
			screen("2 ps", "the command", "# ps", "    PID TTY          TIME CMD", "      1 pts/0    00:00:00 bash", "      2 pts/0    00:00:00 ps"),
			below(8,
				box{class: "new", title: "mounts of the container", name: "2 mounts", body: lines{
					{left: "/", right: "a copy"},
					{left: "/proc", right: "PIDs of the container", class: "strong"},
				}},
				cut("MS_PRIVATE: no mount crosses"),
				box{class: "host", title: "mounts of the host", body: lines{
					{left: "/", right: "the host's disk"},
					{left: "/proc", right: "PIDs of the host"},
				}}),
		),
		arrows: []arrow{{from: "2 ps", to: "2 mounts", label: "reads /proc", class: "new"}},
	},
}

var step7 = picture{
	title: "Step 7: where the temporary files are",
	alt: "Before, a file in /tmp is on the host's disk, and is there when the container has ended. " +
		"After, a file in /mytemp is in memory, in at most 16 MiB, and the directory that the host sees is empty.",
	before: panel{
		headline: "Temporary files are on the disk",
		scene: below(34,
			screen("1 echo", "the command", "# echo hunter2 > /tmp/secret"),
			box{class: "host", title: "disk of the host", name: "1 disk", body: lines{
				{left: "…/rootfs/tmp/secret", right: "hunter2", class: "strong"},
			}},
			screen("1 cat", "your shell, later", "$ cat …/rootfs/tmp/secret", "hunter2"),
		),
		arrows: []arrow{{from: "1 echo", to: "1 disk", label: "writes"}, {from: "1 disk", to: "1 cat", label: "stays"}},
	},
	after: panel{
		headline: "Temporary files are in memory",
		scene: below(34,
			screen("2 echo", "the command", "# echo hunter2 > /mytemp/secret"),
			box{class: "new", title: "tmpfs on /mytemp", note: "16 MiB at most", name: "2 memory", body: pages{1, 16}},
			screen("2 ls", "your shell, later", "$ ls …/rootfs/mytemp", ""),
		),
		arrows: []arrow{{from: "2 echo", to: "2 memory", label: "writes", class: "new"}, {from: "2 memory", to: "2 ls", label: "freed at the end", both: true}},
	},
}
