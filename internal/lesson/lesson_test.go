//go:build linux

package lesson

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/internal/needs"
)

// top is the folder of the workshop.
const top = "../.."

// screen is so wide that the terminal breaks no line.
var screen = pty.Winsize{Rows: 50, Cols: 300}

// withCommands are the pages whose commands we run.
var withCommands = []string{"README.md", "INSTRUCTOR.md", "step0*/README.md", "step01-exec/PROCESS.md", "final/README.md", "final/IMAGES.md", "final/NETWORK.md", "final/ROOTLESS.md", "final/KUBERNETES.md"}

// pages returns the pages that match the patterns.
func pages(t *testing.T, patterns ...string) []*Document {
	t.Helper()
	var found []*Document
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join(top, pattern))
		require.NoError(t, err)
		require.NotEmpty(t, paths, pattern)
		for _, path := range paths {
			page, err := Read(path)
			require.NoError(t, err)
			found = append(found, page)
		}
	}
	return found
}

// name returns the path of a page from the top folder.
func (d *Document) name() string {
	name, _ := filepath.Rel(top, d.Path)
	return name
}

// machine returns a machine that ends with the test.
func machine(t *testing.T) *Machine {
	t.Helper()
	rootfs := needs.Rootfs(t)
	workshop, err := filepath.Abs(top)
	require.NoError(t, err)
	m, err := Boot(workshop, rootfs, screen)
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return m
}

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if os.Getenv("SUDO_UID") != "" {
			// Root must not write into the build cache of the user who called sudo.
			cache, err := os.MkdirTemp("", "container-workshop-cache-")
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			defer os.RemoveAll(cache)
			os.Setenv("GOCACHE", cache)
		}
		return m.Run()
	}())
}

func TestCommandsDoWhatThePageSays(t *testing.T) {
	for _, page := range pages(t, withCommands...) {
		t.Run(page.name(), func(t *testing.T) {
			if err := page.Run(machine(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLimitsAreWhereTheLessonSays also runs in virtual machines with other cgroups, which have neither a compiler nor sudo.
func TestLimitsAreWhereTheLessonSays(t *testing.T) {
	lesson, err := os.ReadFile(filepath.Join(top, "step06-cgroups/README.md"))
	require.NoError(t, err)
	part := ""
	for _, start := range []string{"\nThere are two versions: ", "\nWhere are the limits? "} {
		_, rest, found := strings.Cut(string(lesson), start)
		require.True(t, found, start)
		part += rest[:regexp.MustCompile(`\n(?:\*\*|## |\| )`).FindStringIndex(rest)[0]] + "\n"
	}
	programs := os.Getenv("WORKSHOP_PROGRAMS")
	if programs == "" {
		programs = t.TempDir()
		output, err := exec.Command("go", "build", "-o", programs, top+"/step06-cgroups").CombinedOutput()
		require.NoError(t, err, string(output))
	}
	// Both terminals find this sudo.
	bin := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(bin, "sudo"), []byte("#!/bin/sh\nexec \"$@\"\n"), 0o755))
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	ready := "mkdir -p build; cp " + programs + "/step06-cgroups build"
	page := Parse("step06-cgroups/README.md", []byte("<!-- done by the reader: "+ready+" -->\n```console\n$ true\n```\n\n"+part))
	assert.NoError(t, page.Run(machine(t)))
}

// TestRunSeesWhatIsNotAsThePageSays changes the expected output in many ways: each must be an error.
func TestRunSeesWhatIsNotAsThePageSays(t *testing.T) {
	page := "```console\n$ echo one; echo two\none\ntwo\n```\n"
	for _, c := range []struct{ wrong, message string }{
		{"```console\n$ echo one; echo two\none\nthree\n```\n", "seen:\n\tone\n\ttwo"},
		{"```console\n$ echo one; echo two\none\n```\n", "seen:\n\tone\n\ttwo"},
		{"```console\n$ echo one; echo two\none\ntwo\ntwo\n```\n", "line 2"},
		{"```console\n$ echo one; echo two\none\n<…>\ntwo\n```\n", "line 2"},
		{"```console\n$ echo one; echo two\n```\n", "want"},
		{"```console\none\n$ echo one\n```\n", "before the first command"},
		{"```console\n$ exit\n```\n", "the shell has ended"},
		{"<!-- done by the reader: false; echo behind -->\n```console\n$ true\n```\n", "behind"},
		{"<!-- secnd terminal -->\n```console\n$ echo one\none\n```\n", "no such note: secnd terminal"},
		{"<!-- second terminal -->\n```console\n$ echo one\ntwo\n```\n", "seen:\n\tone"},
	} {
		err := Parse("page", []byte(c.wrong)).Run(machine(t))
		assert.ErrorContains(t, err, c.message, c.wrong)
	}
	assert.NoError(t, Parse("page", []byte(page)).Run(machine(t)))
}

func TestRunByRunsTheBlocksOfOneTarget(t *testing.T) {
	text := "<!-- run by: make one -->\n```console\n$ echo one\none\n```\n\n<!-- run by: make two -->\n```console\n$ echo two\nthree\n```\n\n```console\n$ false; exit\n```\n"
	page := Parse("page", []byte(text))
	shell := func() *exec.Cmd {
		cmd := exec.Command("bash", "--norc", "--noprofile", "-i")
		cmd.Env = append(os.Environ(), "PS1=$ ", "TERM=dumb", "HISTFILE=")
		return cmd
	}
	assert.NoError(t, page.RunBy("one", shell()))
	assert.ErrorContains(t, page.RunBy("two", shell()), "seen:\n\ttwo")
	assert.ErrorContains(t, page.RunBy("three", shell()), "no block is run by make three")
}

func TestNothingIsLeftOfAMachine(t *testing.T) {
	before, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	m := machine(t)
	page := Parse("page", []byte("```console\n$ mkdir -p work; touch work/mine; hostname other; mount -t tmpfs tmpfs /mnt; sleep 1000 & echo done\n<…>\ndone\n```\n"))
	require.NoError(t, page.Run(m))
	dir := m.dir
	m.Close()
	after, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after))
	assert.NoDirExists(t, dir)
	assert.NoFileExists(t, filepath.Join(top, "work/mine"))
	hostname, err := os.Hostname()
	require.NoError(t, err)
	assert.NotEqual(t, "other", hostname)
}

func TestAMachineHasNothingOfAnEarlierReader(t *testing.T) {
	rootfs := needs.Rootfs(t)
	clone := t.TempDir()
	for _, file := range []string{".gitignore", ".progress", "mine/main.go", "mine/.gitignore"} {
		path := filepath.Join(clone, "work", file)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, nil, 0o644))
	}
	m, err := Boot(clone, rootfs, screen)
	require.NoError(t, err)
	t.Cleanup(m.Close)
	assert.NoError(t, Parse("page", []byte("```console\n$ find work -mindepth 1\nwork/.gitignore\n```\n")).Run(m))
	assert.FileExists(t, filepath.Join(clone, "work/mine/main.go"))
}

func TestWhatVaries(t *testing.T) {
	for _, c := range []struct {
		want, seen []string
		match      bool
	}{
		{[]string{"a <…> b"}, []string{"a 1 b"}, true},
		{[]string{"a <…> b"}, []string{"a  b"}, false},
		{[]string{"<…>"}, []string{"a", "b"}, true},
		{[]string{"<…>"}, nil, false},
		{[]string{"<…>", "b"}, []string{"a", "b"}, true},
		{[]string{"<…>", "b"}, []string{"a", "c"}, false},
		{[]string{"a.c"}, []string{"abc"}, false},
		{[]string{"a"}, []string{"a  \r"}, true},
		{nil, nil, true},
		{nil, []string{"a"}, false},
	} {
		assert.Equal(t, c.match, Exchange{Want: c.want}.Match(c.seen) == nil, "%q %q", c.want, c.seen)
	}
}
