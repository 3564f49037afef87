//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/spec"
	"container-workshop/internal/needs"
)

// newComparison compares this tree's final with itself.
func newComparison(t *testing.T) (*comparison, *bytes.Buffer) {
	t.Helper()
	needs.Root(t)
	// Where there is no compiler, the programs were compiled before.
	dir, output := os.Getenv("WORKSHOP_PROGRAMS"), new(bytes.Buffer)
	compile := dir == ""
	if compile {
		needs.Compiler(t)
		dir = t.TempDir()
	}
	c := &comparison{before: filepath.Join(dir, "final"), probe: filepath.Join(dir, "compare-probe"), output: output}
	c.after = c.before
	if static := []string{"CGO_ENABLED=0"}; compile {
		needs.Build(t, c.before, static, "container-workshop/final")
		needs.Build(t, c.probe, static, "-ldflags=-E=main.entry", "container-workshop/internal/compare/probe")
	}
	needs.OwnMounts(t)
	require.NoError(t, ownMounts())
	t.Cleanup(func() { require.NoError(t, unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)) })
	return c, output
}

// What is another number in each container must not look like a difference.
func TestTheSameProgramGivesTheSameViews(t *testing.T) {
	c, output := newComparison(t)
	differ, err := c.seeds(1, 15)
	require.NoError(t, err)
	require.Zero(t, differ, output.String())
	require.Regexp(t, `^15 configurations in \d+ seconds, \d+ made, \d+ refused\. All views are the same\.\n$`, output.String())
}

func TestASeedIsAlwaysTheSameConfiguration(t *testing.T) {
	for seed := range uint64(300) {
		require.Equal(t, generate(seed), generate(seed))
	}
}

// plain is a container without anything odd.
func plain() *configuration {
	c := &configuration{Mode: ofBundle, Caller: []string{"keyring"}, Umask: 0o022, Image: slices.Clone(image), Host: hostFiles(), Spec: spec.Template(false, 0, 0)}
	c.Spec.Process.Terminal, c.Spec.Process.Args = false, []string{"/probe"}
	c.Spec.Root.Readonly, c.Spec.Linux.CgroupsPath = false, "/"+c.id()
	return c
}

func TestADifferenceIsSeen(t *testing.T) {
	c, _ := newComparison(t)
	mask, owner := uint32(0o027), uint32(5)
	before, err := observe(plain(), c.before, c.probe)
	require.NoError(t, err)
	require.Contains(t, before, "process")
	for _, change := range []struct {
		field string
		make  func(*configuration, *specs.Process, *specs.Linux)
	}{
		{"process: process: umask", func(_ *configuration, p *specs.Process, _ *specs.Linux) { p.User.Umask = &mask }},
		{"process: process: cwd", func(_ *configuration, p *specs.Process, _ *specs.Linux) { p.Cwd = "/tmp" }},
		{"image afterwards: /new", func(_ *configuration, p *specs.Process, _ *specs.Linux) { p.Cwd = "/new" }},
		{"process: process: argv[0]", func(_ *configuration, p *specs.Process, _ *specs.Linux) { p.Args = []string{"probe"} }},
		{"process: environ: [02]", func(_ *configuration, p *specs.Process, _ *specs.Linux) { p.Env = append(p.Env, "A=B") }},
		{"process: ids: additional", func(_ *configuration, p *specs.Process, _ *specs.Linux) { p.User.AdditionalGids = []uint32{9} }},
		{"process: status: NoNewPrivs", func(_ *configuration, p *specs.Process, _ *specs.Linux) { p.NoNewPrivileges = false }},
		{"process: status: CapBnd", func(_ *configuration, p *specs.Process, _ *specs.Linux) {
			p.Capabilities.Bounding = p.Capabilities.Bounding[1:]
		}},
		{"process: limits: NOFILE", func(_ *configuration, p *specs.Process, _ *specs.Linux) {
			p.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 50, Hard: 60}}
		}},
		{"process: process: nice", func(_ *configuration, p *specs.Process, _ *specs.Linux) {
			p.Scheduler = &specs.Scheduler{Policy: specs.SchedOther, Nice: 3}
		}},
		{"process: process: oom_score_adj", func(_ *configuration, p *specs.Process, _ *specs.Linux) { p.OOMScoreAdj = new(700) }},
		{"process: session: /dev/tty", func(_ *configuration, p *specs.Process, _ *specs.Linux) { p.Terminal = true }},
		{"process: namespaces: hostname", func(c *configuration, _ *specs.Process, _ *specs.Linux) { c.Spec.Hostname = "other" }},
		{"process: namespaces: ipc", func(c *configuration, _ *specs.Process, _ *specs.Linux) {
			c.Spec.Linux.Namespaces = slices.DeleteFunc(c.Spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.IPCNamespace })
		}},
		{"process: network: lo", func(c *configuration, _ *specs.Process, l *specs.Linux) {
			c.Holder = true
			l.Namespaces = joined(l.Namespaces, specs.NetworkNamespace)
		}},
		{"process: keyring: session", func(c *configuration, _ *specs.Process, _ *specs.Linux) { c.Flags = []string{"--no-new-keyring"} }},
		{"process: mounts: /dev/shm", func(c *configuration, _ *specs.Process, _ *specs.Linux) {
			c.mount("none", "none", "/dev/shm", "remount", "bind", "ro")
		}},
		{"process: files: /data/file", func(c *configuration, _ *specs.Process, _ *specs.Linux) {
			c.mount("bind", base+"/host/file", "/data/file", "bind")
		}},
		{"process: files: /dev/full", func(_ *configuration, _ *specs.Process, l *specs.Linux) {
			l.Devices = []specs.LinuxDevice{{Path: "/dev/full", Type: "c", Major: 1, Minor: 7, UID: &owner}}
		}},
		{"process: paths: /proc/keys", func(_ *configuration, _ *specs.Process, l *specs.Linux) { l.MaskedPaths = nil }},
		{"process: paths: /proc/sys/kernel/hostname", func(_ *configuration, _ *specs.Process, l *specs.Linux) { l.ReadonlyPaths = nil }},
		{"process: calls: swapon", func(_ *configuration, _ *specs.Process, l *specs.Linux) {
			l.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"swapon"}, Action: specs.ActErrno, ErrnoRet: new(uint(7))}}}
		}},
		{"process: descriptors: 3", func(c *configuration, _ *specs.Process, _ *specs.Linux) {
			c.Preserved, c.Flags = 1, []string{"--preserve-fds=1"}
		}},
		{"process: descriptors: 0", func(c *configuration, _ *specs.Process, _ *specs.Linux) { c.Stdin = "pipe" }},
		{"hook createRuntime 0", func(c *configuration, _ *specs.Process, _ *specs.Linux) {
			c.Host = append(c.Host, dir("/../out", 0o777))
			c.Spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: base + "/probe", Args: []string{"probe", "--hook", "createRuntime", base + "/out/createRuntime"}}}}
		}},
		{"run: stderr", func(_ *configuration, p *specs.Process, _ *specs.Linux) { p.Args = []string{"no-such-command"} }},
		{"run: status", func(_ *configuration, p *specs.Process, _ *specs.Linux) { p.Args = append(p.Args, "--exit", "3") }},
		{"process: files: /etc/passwd", func(c *configuration, _ *specs.Process, _ *specs.Linux) {
			c.Image = append(c.Image, entry{Path: "/etc/passwd", Mode: unix.S_IFREG | 0o600})
		}},
	} {
		altered := plain()
		change.make(altered, altered.Spec.Process, altered.Spec.Linux)
		after, err := observe(altered, c.after, c.probe)
		require.NoError(t, err, change.field)
		differences := compareViews(before, after)
		fields := make([]string, len(differences))
		for i, d := range differences {
			fields[i] = d.Field
		}
		require.Contains(t, fields, change.field)
	}
}

func TestADifferenceIsToldWithItsSeed(t *testing.T) {
	var output bytes.Buffer
	c := &configuration{Seed: 7, Mode: ofExec, Features: []string{"devices"}}
	printDifferences(&output, c, compareViews(view{"process": view{"umask": "0"}, "run": "x"}, view{"process": view{"umask": "1"}, "run": "x"}))
	require.Equal(t, "seed 7: exec (devices)\n  process: umask\n    before: \"0\"\n    after:  \"1\"\n", output.String())
}
