//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/rootless"
)

// ranges are the lines of /etc/subuid and /etc/subgid for a user who may use IDs beside their own.
const ranges = "alice:500000:65536\n"

// A person is an ordinary user of the host. Only the thread of the test knows the person, because the files in /etc that name the users are
// mounts of the trial.
type person struct {
	uid  int
	home string
	env  []string
	// program is this program, open: the person may not enter its directory.
	program *os.File
}

// asPerson makes an ordinary user make the calls of a new trial. The user has these ranges of IDs.
func asPerson(t *testing.T, ranges string) *trial {
	t.Helper()
	return asUser(t, "alice", 4321, ranges)
}

func asUser(t *testing.T, name string, uid int, ranges string) *trial {
	t.Helper()
	if _, err := exec.LookPath("newuidmap"); err != nil {
		t.Skip("needs newuidmap: apt-get install uidmap")
	}
	if err := rootless.ThisHost().NoNamespace(); err != nil {
		t.Skipf("needs user namespaces for users: %v", err)
	}
	c, p := newTrial(t), &person{uid: uid}
	dir, err := os.MkdirTemp("", "user")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	for name, content := range map[string]string{
		"passwd": fmt.Sprintf("root:x:0:0::/root:/bin/sh\n%s:x:%d:%[2]d::/:/bin/sh\n", name, uid),
		"group":  fmt.Sprintf("root:x:0:\n%s:x:%d:\n", name, uid), "subuid": ranges, "subgid": ranges,
	} {
		file, place := filepath.Join(dir, name), filepath.Join("/etc", name)
		require.NoError(t, os.WriteFile(file, []byte(content), 0o644))
		require.FileExists(t, place)
		require.NoError(t, unix.Mount(file, place, "", unix.MS_BIND, ""))
	}
	c.mounts = c.mountTable()
	p.home, c.root = filepath.Join(dir, "home"), filepath.Join(dir, "run/container-workshop")
	for _, own := range []string{p.home, filepath.Dir(c.root)} {
		require.NoError(t, os.Mkdir(own, 0o700))
		require.NoError(t, os.Chown(own, p.uid, p.uid))
	}
	p.env = []string{"HOME=" + p.home, "XDG_RUNTIME_DIR=" + filepath.Dir(c.root), "XDG_DATA_HOME="}
	p.program, err = os.Open("/proc/self/exe")
	require.NoError(t, err)
	t.Cleanup(func() { p.program.Close() })
	c.person = p
	return c
}

// makes makes the person make a call, with the person's own directory of all state.
func (p *person) makes(cmd *exec.Cmd) {
	cmd.Path, cmd.ExtraFiles, cmd.Dir = "/proc/self/fd/3", []*os.File{p.program}, "/"
	cmd.Args = append(cmd.Args[:1], cmd.Args[3:]...)
	cmd.Env = append(cmd.Env, p.env...)
	cmd.SysProcAttr = &unix.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(p.uid), Gid: uint32(p.uid)}}
}

// only leaves the person these programs.
func (c *trial) only(names ...string) {
	c.Helper()
	dir := c.programs()
	for _, name := range names {
		program, err := exec.LookPath(name)
		require.NoError(c, err)
		require.NoError(c, os.Symlink(program, filepath.Join(dir, name)))
	}
	c.person.env = append(c.person.env, "PATH="+dir)
}

// instead gives the person a shell script in place of a program. REAL in the script is the program.
func (c *trial) instead(name, script string) {
	c.Helper()
	program, err := exec.LookPath(name)
	require.NoError(c, err)
	dir := c.programs()
	content := "#!/bin/sh\n" + strings.ReplaceAll(script, "REAL", program) + "\n"
	require.NoError(c, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755))
	c.person.env = append(c.person.env, "PATH="+dir+":"+os.Getenv("PATH"))
}

// programs is a directory in which the person finds programs.
func (c *trial) programs() string {
	c.Helper()
	dir := filepath.Join(c.person.home, "programs")
	require.NoError(c, os.MkdirAll(dir, 0o755))
	return dir
}
