//go:build linux

package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	// The inner processes of bench are this test binary, started again.
	if len(os.Args) > 1 {
		switch {
		case os.Args[1] == asRegistry:
			fmt.Fprintln(os.Stderr, serveImage())
			os.Exit(1)
		case os.Args[1] == asWorker && os.Getenv("SHOW_CONTAINERS") != "":
			var s settings
			_ = s.flags().Parse(os.Args[3:])
			if err := showContainers(s, os.Args[2]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		case slices.Contains([]string{asInit, asWorker, asSender, asReceiver, "--final"}, os.Args[1]):
			main()
			os.Exit(0)
		}
	}
	status := m.Run()
	_ = os.RemoveAll(built)
	os.Exit(status)
}

// built is where build puts the programs.
var built string

// build builds the programs once for all tests.
var build = sync.OnceValues(func() (string, error) {
	var err error
	if built, err = os.MkdirTemp("", "bench-programs-"); err != nil {
		return "", err
	}
	environment := append(os.Environ(), "CGO_ENABLED=0")
	if os.Getenv("SUDO_UID") != "" {
		// Root must not write into the build cache of the user who called sudo.
		environment = append(environment, "GOCACHE="+filepath.Join(built, "cache"))
	}
	for _, packages := range [][]string{{"/", "./final", "./step01-exec", "./step07-tmpfs"}, {"/final-helper", "./final/helper/cmd"}} {
		cmd := exec.Command("go", append([]string{"build", "-buildvcs=false", "-o", built + packages[0]}, packages[1:]...)...)
		cmd.Dir, cmd.Env = "../..", environment
		if output, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w: %s", err, output)
		}
	}
	return built, nil
})

// flags are those of a short run that writes to a folder of the test.
func flags(t *testing.T) (s settings, args []string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: make test")
	}
	programs, err := build()
	require.NoError(t, err)
	dir := t.TempDir()
	t.Setenv("TMPDIR", t.TempDir())
	args = []string{"--final", programs + "/final", "--quick", "--steps", programs, "--calls", "../../final/bench/calls.c",
		"--page", dir + "/page.md", "--plot", dir + "/plot.svg"}
	if rootfs := os.Getenv("ROOTFS"); rootfs != "" {
		args = append(args, "--rootfs", rootfs)
	}
	require.NoError(t, s.flags().Parse(args))
	return s, args
}

// measure runs bench, and checks that nothing stays behind. It returns the page.
func measure(t *testing.T, s settings, args []string) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	before := interfaces(t)
	require.NoError(t, start(s, args))
	assert.Equal(t, before, interfaces(t), "the network of this machine stays as it is")
	after, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	assert.Equal(t, string(mounts), string(after))
	trees, err := findTrees()
	require.NoError(t, err)
	require.NotEmpty(t, trees)
	for _, tree := range trees {
		assert.NoDirExists(t, filepath.Join(tree, parent))
	}
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	assert.Empty(t, left)
	page, err := os.ReadFile(s.page)
	require.NoError(t, err)
	return string(page)
}

// interfaces returns the names of the network interfaces of this machine.
func interfaces(t *testing.T) (names []string) {
	t.Helper()
	all, err := net.Interfaces()
	require.NoError(t, err)
	for _, i := range all {
		names = append(names, i.Name)
	}
	slices.Sort(names)
	return names
}

func TestAShortRunWritesThePage(t *testing.T) {
	s, args := flags(t)
	section := "\n<!-- written by: make test-kubernetes -->\n\n## A node of Kubernetes\n"
	require.NoError(t, os.WriteFile(s.page, []byte("# Before\n"+section), 0o644))
	page := measure(t, s, args)
	assert.NotContains(t, page, "# Before")
	assert.True(t, strings.HasSuffix(page, section), "the section of another target stays")
	rows := []string{
		"run, minimal, warm, ms", "run, engine, cold, ms", "exec, warm, ms", "create + start + delete, cold, ms", "8 at a time, containers/s",
		"while 5 others run, ms", "beside others / alone, ×", "100 bind mounts, ms", "smallest limit, KiB", "a created container, MiB", "step07-tmpfs, ms",
		"the only container, no network, ms", "beside another container, what the network adds, ms", "to another machine, MiB/s", "to another container, MiB/s",
	}
	if noUsers() == nil {
		rows = append(rows, "run, minimal, without root, warm, ms", "run, engine, without root, cold, ms")
	}
	for _, row := range rows {
		assert.Regexp(t, `(?m)^\| `+strings.NewReplacer("+", `\+`).Replace(row)+` \| [0-9.]+`, page)
	}
	assert.NotContains(t, page, os.TempDir(), "no paths of the machine")
	for line := range strings.Lines(page) {
		assert.True(t, len([]rune(line)) <= 131 || strings.HasPrefix(line, "|") || strings.Contains(line, "]("), line)
	}
	plot, err := os.ReadFile(s.plot)
	require.NoError(t, err)
	for decoder := xml.NewDecoder(strings.NewReader(string(plot))); ; {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
	}
	assert.Contains(t, string(plot), ">run, minimal, warm</text>")
}

func TestPeersThatAreMissingAreNamed(t *testing.T) {
	s, args := flags(t)
	t.Setenv("PATH", t.TempDir())
	page := measure(t, s, args)
	for _, missing := range []string{
		"crun is not installed: apt-get install crun", "runc is not installed: apt-get install runc",
		"bubblewrap is not installed: apt-get install bubblewrap", "there is no C compiler for the bare calls: apt-get install gcc",
		"podman is not installed: apt-get install podman netavark aardvark-dns",
	} {
		assert.Contains(t, page, "- Not measured: "+missing)
	}
	assert.Contains(t, page, "| measured | final |\n")
}

func TestBenchSaysWhatIsMissing(t *testing.T) {
	s, args := flags(t)
	s.rootfs = filepath.Join(t.TempDir(), "none")
	assert.ErrorContains(t, start(s, nil), "no root file system: stat "+s.rootfs+"/bin/sleep: no such file or directory (make rootfs makes it)")
	// Another user must be able to reach the program.
	dir, err := os.MkdirTemp("/tmp", "bench-test-")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	require.NoError(t, os.Chmod(dir, 0o755))
	program, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(dir+"/bench", program, 0o755))
	cmd := exec.Command(dir+"/bench", args...)
	cmd.SysProcAttr = &unix.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Dir = "/"
	output, err := cmd.CombinedOutput()
	assert.Error(t, err)
	assert.Equal(t, "bench: containers need root: use sudo\n", string(output))
}

func TestAnotherBenchIsInTheWay(t *testing.T) {
	s, args := flags(t)
	trees, err := makeCgroups()
	require.NoError(t, err)
	defer func() { require.NoError(t, removeCgroups(trees)) }()
	sleep := exec.Command("sleep", "60")
	require.NoError(t, sleep.Start())
	require.NoError(t, write(filepath.Join(trees[0], parent, "cgroup.procs"), fmt.Sprint(sleep.Process.Pid)))
	assert.ErrorContains(t, start(s, args), "(does another bench run?)")
	require.NoError(t, sleep.Process.Kill())
	_ = sleep.Wait()
}

// view prints what a process sees of its container.
const view = `hostname; id; umask; ulimit -n; tr '\0' '\n' </proc/self/environ; ls /proc/self/fd
grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups)' /proc/self/status
# Root, mount point, options, type. A cover for a file is the null device.
awk '{ type = "?"; for (i = 7; i < NF; i++) if ($i == "-") type = $(i + 1); print $5, $4, $6, type }' /proc/self/mountinfo | sort -T /dev/shm
cat /proc/self/cgroup /sys/class/net/lo/flags
find /dev -printf '%p %y %m %l\n' | sort -T /dev/shm; stat -c '%n %t %T' /dev/* | sort -T /dev/shm
for device in zero kmsg; do head -c 1 /binds/0/$device >/dev/null 2>&1 && echo $device opens || echo $device is denied; done
for name in memory/memory.limit_in_bytes pids/pids.max devices/devices.list memory.max pids.max; do
	[ ! -e /sys/fs/cgroup/$name ] || { echo $name; sort -T /dev/shm /sys/fs/cgroup/$name; }
done
find /sys/fs/cgroup -maxdepth 1 -type l -printf '%p %l\n' | sort -T /dev/shm`

// showContainers writes what final and the bare calls show to a command, to a file each.
func showContainers(s settings, dir string) error {
	b := &bench{settings: s, dir: dir, random: rand.New(rand.NewPCG(1, 2))}
	if err := errors.Join(b.writeTemplate(), b.findPeers()); err != nil {
		return err
	}
	// The container may open zero, but not the log of the kernel.
	for name, minor := range map[string]uint32{"zero": 5, "kmsg": 11} {
		if err := unix.Mknod(b.path("source", name), unix.S_IFCHR|0o666, int(unix.Mkdev(1, minor))); err != nil {
			return err
		}
	}
	for _, p := range b.peers {
		line, err := p.run(b, container{id: "view", binds: 2, args: []string{"/bin/sh", "-c", view}})
		if err != nil {
			return err
		}
		cmd := exec.Command(line[0], line[1:]...)
		cmd.Stderr = os.Stderr
		output, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		name := filepath.Join(filepath.Dir(s.page), p.name)
		if err := os.WriteFile(name, []byte(strings.ReplaceAll(string(output), dir, "DIR")), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func TestBareCallsMakeTheContainerOfFinal(t *testing.T) {
	s, args := flags(t)
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("needs a C compiler: make packages")
	}
	t.Setenv("SHOW_CONTAINERS", "1")
	require.NoError(t, start(s, args))
	ours, err := os.ReadFile(filepath.Join(filepath.Dir(s.page), final))
	require.NoError(t, err)
	bare, err := os.ReadFile(filepath.Join(filepath.Dir(s.page), bareCalls))
	require.NoError(t, err)
	assert.Contains(t, string(ours), "NoNewPrivs:\t1\n")
	assert.Contains(t, string(bare), "zero opens\nkmsg is denied\n")
	assert.Equal(t, string(ours), string(bare))
}
