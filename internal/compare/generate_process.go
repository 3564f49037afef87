//go:build linux

package main

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/capability"
)

func caller(c *configuration, d dice) {
	c.Stdin, c.Output = pick(d, "null", "null", "pipe", "file", "socket"), pick(d, "pipe", "file")
	if c.Mode == ofBundle && d.chance(10) {
		c.Stdin = "terminal"
		c.note("called at a terminal")
	}
	if c.Detached = c.Mode == ofCreate && d.chance(30) || c.Mode == ofExec && d.chance(50); c.Detached {
		c.note("detached")
	}
	c.Umask = pick(d, 0o022, 0o022, 0o077, 0)
	c.Spec.Process.NoNewPrivileges = d.chance(60)
	if d.chance(8) {
		c.Flags = append(c.Flags, "--no-pivot")
		c.note("no pivot_root")
	}
	if d.chance(15) {
		c.Flags = append(c.Flags, "--no-new-keyring")
		c.note("old keyring")
	}
}

// oddCaller changes what a process inherits from the program that calls final.
func oddCaller(c *configuration, d dice) {
	c.Caller = some(d, 18, "nohup", "blocked", "nice", "affinity", "files", "core", "stack", "killable", "idle", "batch", "keyring", "steady", "slack", "no-thp",
		"dying", "reaper", "dump", "no-new", "closed")
	c.note("caller: %v", c.Caller)
}

func identifiers(c *configuration, d dice) {
	user := &c.Spec.Process.User
	user.UID, user.GID = pick[uint32](d, 0, 0, 1000, 5), pick[uint32](d, 0, 1000, 6)
	user.AdditionalGids = some[uint32](d, 40, 0, 7, 1000, 0, 50)
	if d.chance(50) {
		umask := pick[uint32](d, 0, 0o027, 0o777)
		user.Umask = &umask
	}
	c.note("user %d:%d", user.UID, user.GID)
}

func capabilities(c *configuration, d dice) {
	if d.chance(15) {
		c.Spec.Process.Capabilities = pick(d, nil, new(specs.LinuxCapabilities))
		c.note("no capabilities")
		return
	}
	if d.chance(15) {
		all := capability.All()
		c.Spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: all, Effective: all, Permitted: all}
		c.note("all capabilities")
		return
	}
	names := capability.Default.Names()
	bounding := some(d, 70, names...)
	permitted := some(d, 80, bounding...)
	inheritable := some(d, 60, permitted...)
	c.Spec.Process.Capabilities = &specs.LinuxCapabilities{
		Bounding: bounding, Permitted: permitted, Effective: some(d, 80, permitted...), Inheritable: inheritable, Ambient: some(d, 60, inheritable...),
	}
}

func rlimits(c *configuration, d dice) {
	limits := []specs.POSIXRlimit{
		{Type: "RLIMIT_NOFILE", Soft: 100, Hard: 200}, {Type: "RLIMIT_CORE", Soft: 0, Hard: 0}, {Type: "RLIMIT_STACK", Soft: 1 << 20, Hard: 1 << 21},
		{Type: "RLIMIT_NPROC", Soft: 300, Hard: 400}, {Type: "RLIMIT_CPU", Soft: 1000, Hard: 1000}, {Type: "RLIMIT_FSIZE", Soft: 1 << 30, Hard: 1 << 31},
		{Type: "RLIMIT_MEMLOCK", Soft: 0, Hard: 0}, {Type: "RLIMIT_SIGPENDING", Soft: 10, Hard: 20}, {Type: "RLIMIT_MSGQUEUE", Soft: 1000, Hard: 2000},
	}
	c.Spec.Process.Rlimits = some(d, 40, limits...)
}

func scheduling(c *configuration, d dice) {
	p := c.Spec.Process
	if d.chance(60) {
		p.Scheduler = pick(d, &specs.Scheduler{Policy: specs.SchedBatch, Nice: 5}, &specs.Scheduler{Policy: specs.SchedIdle},
			&specs.Scheduler{Policy: specs.SchedOther, Nice: 7, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}})
	}
	if d.chance(60) {
		p.IOPriority = pick(d, &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 3}, &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_IDLE})
	}
	if d.chance(50) {
		p.OOMScoreAdj = pick(d, new(0), new(100), new(1000))
	}
	if d.chance(30) {
		p.ExecCPUAffinity = &specs.CPUAffinity{Initial: pick(d, "", "0"), Final: pick(d, "", "0")}
	}
}

func environment(c *configuration, d dice) {
	env := some(d, 60, "PATH=/none:/bin:/usr/bin", "HOME=/somewhere", "TWICE=1", "TWICE=2", "EMPTY=", "=odd", "TERM=xterm", "BYTES=\xff\xfe")
	c.Spec.Process.Env = env
	if d.chance(30) {
		c.Image = append(c.Image, file("/etc/passwd", pick(d, "", "root:x:0:0:root\n", "x:y:1000:5::/by-number:/x\nroot:x:0:0::/first\nroot:x:0:0::/second\n")))
	}
}

func workingDirectory(c *configuration, d dice) {
	c.Spec.Process.Cwd = pick(d, wildly(d, []string{"/tmp", "/bin", "/new/directory", "/data/../tmp/."}, "/etc/passwd", "/proc/self/fd/0", "/root", "/home/someone", "/data/deep")...)
	c.note("working directory %s", c.Spec.Process.Cwd)
}

func otherCommand(c *configuration, d dice) {
	if c.Mode == ofExec {
		return
	}
	args := anyCommand(d)
	c.Spec.Process.Args = append(args, c.Spec.Process.Args[1:]...)
	c.note("command %q", args)
}

// anyCommand is a command that is found, or fails in some way.
func anyCommand(d dice) []string {
	return pick(d, []string{"probe"}, []string{"/bin/script"}, []string{"again", "x y", "\xff"}, []string{"./probe"}, []string{"../../probe"},
		[]string{"/probe", "--exit", "3"}, []string{"/probe", "--exit", "255"}, []string{"/bin/orphan"}, []string{"no-such"}, []string{"/no/such"},
		[]string{"/etc/not-executable"}, []string{"not-executable"}, []string{"/etc"}, []string{"/bin/windows"}, []string{"/bin/garbage"}, []string{"/bin/empty"},
		[]string{"/bin/private"}, []string{""}, []string{"/data/pipe"}, []string{"/probe/below"})
}

func terminal(c *configuration, d dice) {
	c.Spec.Process.Terminal = true
	if d.chance(50) {
		c.Spec.Process.ConsoleSize = &specs.Box{Height: 33, Width: 77}
	}
}

func preserved(c *configuration, d dice) {
	c.Preserved = 1 + d.IntN(3)
	c.Flags = append(c.Flags, fmt.Sprintf("--preserve-fds=%d", d.IntN(c.Preserved+1)))
}

// execIn decides what exec runs in the container. The container's own command stays.
func execIn(c *configuration, d dice) {
	c.Spec.Process.Args = append(c.Spec.Process.Args, "--stay")
	c.Command = append([]string{"/probe"}, c.Spec.Process.Args[1:len(c.Spec.Process.Args)-1]...)
	if d.chance(25) {
		c.Command = anyCommand(d)
		c.note("exec %q", c.Command)
	}
	if d.chance(30) {
		p := *c.Spec.Process
		p.Args, p.Env, p.Cwd, p.Terminal, p.ConsoleSize = c.Command, []string{"PATH=/bin", "EXEC=1"}, pick(d, "/", "/tmp", "/no/such"), d.chance(20), nil
		p.User = specs.User{UID: pick[uint32](d, 0, 1000), GID: pick[uint32](d, 0, 7), AdditionalGids: some[uint32](d, 50, 1, 2)}
		c.ExecProcess = &p
		c.note("exec --process")
	} else {
		c.ExecFlags = some(d, 25, "--user=someone", "--env=EXEC=1", "--env=CALLER", "--workdir=/tmp", "--additional-gids=9", "--tty", "--cap=CAP_CHOWN",
			"--no-new-privs=false", "--no-new-privs", "--interactive=false", "--detach")
		c.note("exec %v", c.ExecFlags)
	}
	if c.Early = !c.Detached && d.chance(15); c.Early {
		c.note("before start")
	}
	if d.chance(20) {
		c.Preserved = 2
		c.ExecFlags = append(slices.Clone(c.ExecFlags), "--preserve-fds=2")
	}
}

// withFlags makes a configuration for run with flags.
func withFlags(c *configuration, d dice) {
	c.Stdin, c.Output, c.Umask = pick(d, "null", "pipe", "file", "socket", "terminal"), pick(d, "pipe", "file"), pick(d, 0o022, 0o077)
	c.Image = slices.Clone(image)
	c.Host = hostFiles()
	c.Flags = some(d, 20, "--hostname=other", "--init", "--env=A=B", "--env=CALLER", "--workdir=/tmp", "--workdir=/new/place", "--user=someone", "--user=1000:7", "--user=5",
		"--tty", "--volume="+base+"/host/plain:/volume", "--volume="+base+"/host/file:/etc/file:ro", "--volume="+base+"/host/nested:/data/deep", "--tmpfs=/scratch:size=1m,mode=700",
		"--read-only", "--device=/dev/zero:/dev/other:r", "--memory=128m", "--memory=256m", "--memory-swap=300m", "--memory-reservation=50m", "--pids=100", "--cpus=0.5",
		"--cpu-shares=512", "--cpuset-cpus=0", "--ulimit=nofile=100:200", "--ulimit=core=0", "--oom-score-adj=500", "--network=host", "--cap-add=SYS_ADMIN", "--cap-add=ALL",
		"--cap-drop=CHOWN", "--cap-drop=ALL", "--security-opt=seccomp=unconfined", "--security-opt=no-new-privileges=false", "--sysctl=net.ipv4.ip_forward=1", "--privileged")
	c.Command = []string{"/probe", "/volume", "/etc/file", "/data/deep/inner", "/dev/other"}
	if d.chance(20) {
		c.Command = anyCommand(d)
	}
	if c.Stdin != "terminal" && d.chance(25) {
		c.Mode = ofDetach
	}
	if d.chance(20) {
		oddCaller(c, d)
	}
	c.note("%v %q", c.Flags, c.Command)
}
