//go:build linux

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	// The process that isolates a program is this test binary, started again.
	if len(os.Args) > 1 && os.Args[1] == isolated {
		inside(os.Args[2:])
	}
	os.Exit(m.Run())
}

// tryScript runs a shell script in the place of a program of the suite.
func tryScript(t *testing.T, timeout time.Duration, script string) string {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	hierarchies, err := findHierarchies()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, programsDir), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, programsDir, "script"), []byte("#!/bin/sh\n"+script), 0o755))
	r := runner{runtime: "/bin/runtime", suite: dir, hierarchies: hierarchies, timeout: timeout}
	problem, err := r.try(t.Context(), program{name: "script"})
	require.NoError(t, err)
	return problem
}

// cgroupsNamed returns the host's cgroups with this name, in all hierarchies.
func cgroupsNamed(t *testing.T, name string) (found []string) {
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == name {
			found = append(found, path)
		}
		// A cgroup can disappear while we look.
		return nil
	})
	require.NoError(t, err)
	return found
}

func TestNothingIsLeft(t *testing.T) {
	mark := fmt.Sprintf("%s-%d", t.Name(), os.Getpid())
	file := filepath.Join(t.TempDir(), "seen")
	problem := tryScript(t, 30*time.Second, `set -e
# A new cpuset takes no process.
set -- $(awk '$3 ~ /^cgroup/ && $2 !~ /cpuset/ { print $2 }' /proc/mounts)
hierarchy=$1
mkdir -p "$hierarchy/`+mark+`/below"
[ -w "$hierarchy/`+mark+`/cgroup.procs" ]
sleep 1000 & echo $! >"$hierarchy/`+mark+`/below/cgroup.procs"
readlink /proc/self/ns/pid >`+file+`
mount -t tmpfs tmpfs /tmp
touch /run/`+mark+` /dev/`+mark+` "$TMPDIR/`+mark+`"
[ "$RUNTIME" = /bin/runtime ]
echo "ok 1 - isolated"
echo 1..1
`)
	require.Empty(t, problem)
	seen, err := os.ReadFile(file)
	require.NoError(t, err)
	own, err := os.Readlink("/proc/self/ns/pid")
	require.NoError(t, err)
	require.NotEqual(t, own, strings.TrimSpace(string(seen)))
	require.Empty(t, cgroupsNamed(t, mark))
	for _, dir := range []string{"/run", "/dev"} {
		require.NoFileExists(t, filepath.Join(dir, mark))
	}
	require.NotContains(t, processNamespaces(t), strings.TrimSpace(string(seen)))
}

// processNamespaces returns the PID namespaces of all processes.
func processNamespaces(t *testing.T) (namespaces []string) {
	links, err := filepath.Glob("/proc/[0-9]*/ns/pid")
	require.NoError(t, err)
	for _, link := range links {
		// A process can end while we look.
		if namespace, err := os.Readlink(link); err == nil {
			namespaces = append(namespaces, namespace)
		}
	}
	return namespaces
}

func TestAProgramThatHangs(t *testing.T) {
	require.Equal(t, "no end after 500ms", tryScript(t, 500*time.Millisecond, "sleep 1000 & wait"))
}

func TestAProgramThatFails(t *testing.T) {
	require.Equal(t, "exit status 3: reason", tryScript(t, 30*time.Second, "echo ok; echo 1..1; echo reason >&2; exit 3"))
	require.Equal(t, "first", tryScript(t, 30*time.Second, "echo 'not ok 1 - first'; echo 1..1"))
}

func TestOrphansAreReaped(t *testing.T) {
	// The first sleep loses its parent at once, and must not stay a zombie. The loop ends only when somebody waits for that sleep.
	require.Empty(t, tryScript(t, 30*time.Second, `pid=$(sleep 0.1 >/dev/null & echo $!)
while [ -e /proc/$pid ]; do sleep 0.01; done
echo ok; echo 1..1`))
}

func TestTheBusyboxOfThisMachine(t *testing.T) {
	var archive bytes.Buffer
	zip := gzip.NewWriter(&archive)
	w := tar.NewWriter(zip)
	for name, content := range map[string]string{"./bin/busybox": "theirs", "./etc/passwd": "root"} {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}))
		_, err := w.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, zip.Close())
	file := filepath.Join(t.TempDir(), "busybox")
	require.NoError(t, os.WriteFile(file, []byte("this machine's"), 0o755))

	var replaced bytes.Buffer
	require.NoError(t, replaceBusybox(&replaced, &archive, file))
	unzipped, err := gzip.NewReader(&replaced)
	require.NoError(t, err)
	found := map[string]string{}
	for r := tar.NewReader(unzipped); ; {
		header, err := r.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		content, err := io.ReadAll(r)
		require.NoError(t, err)
		found[header.Name] = string(content)
	}
	require.Equal(t, map[string]string{"./bin/busybox": "this machine's", "./etc/passwd": "root"}, found)
}
