//go:build linux

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine/flags"
	"container-workshop/final/seccomp"
)

// BenchmarkStart measures a container from its start to its end, of final and of what others there are, with the same
// configuration: only final puts an overlay on the root file system. At a time: go test ./final -run - -bench Start -count 5
func BenchmarkStart(b *testing.B) {
	needRootfs(b)
	self := buildFinal(b)
	rootfs := rootfsOf(b, nil)
	b.Run("final", func(b *testing.B) {
		for b.Loop() {
			start(b, self, "run", "--rootfs", rootfs, "/bin/true")
		}
	})
	bundle := bundleOf(b, rootfs)
	for _, peer := range []string{"crun", "runc"} {
		path, err := exec.LookPath(peer)
		if err != nil {
			b.Logf("no %s: apt-get install %s", peer, peer)
			continue
		}
		b.Run(peer, func(b *testing.B) {
			hideUnified(b)
			for b.Loop() {
				start(b, path, "--root", b.TempDir(), "run", "--bundle", bundle, "container-workshop-bench")
			}
		})
	}
}

// hideUnified puts a tree of version 2 beside those of version 1 out of sight, for this thread, which ends with the benchmark.
// Others refuse to run where there is one.
func hideUnified(b *testing.B) {
	b.Helper()
	runtime.LockOSThread()
	require.NoError(b, unix.Unshare(unix.CLONE_NEWNS))
	require.NoError(b, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	_ = unix.Unmount("/sys/fs/cgroup/unified", unix.MNT_DETACH)
}

func start(b *testing.B, path string, args ...string) {
	b.Helper()
	output, err := exec.Command(path, args...).CombinedOutput()
	require.NoError(b, err, string(output))
}

// buildFinal builds the program: a test binary takes longer to start.
func buildFinal(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "final")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	require.NoError(b, err, string(output))
	return path
}

// bundleOf writes the configuration that run makes of no flags, as a bundle. Older runtimes know an older version only.
func bundleOf(b *testing.B, rootfs string) string {
	b.Helper()
	options := flags.Defaults()
	options.Name, options.Root.Path = "bench", rootfs
	spec, err := flags.MakeSpec(options, []string{"/bin/true"}, flags.Host{
		LookupEnv: os.LookupEnv, Rlimit: rlimit,
		Stat: func(name string) (stat unix.Stat_t, err error) { return stat, unix.Stat(name, &stat) },
	})
	require.NoError(b, err)
	spec.Version = "1.0.2"
	spec.Linux.Seccomp, err = seccomp.Default(spec.Process.Capabilities.Bounding)
	require.NoError(b, err)
	config, err := json.Marshal(spec)
	require.NoError(b, err)
	dir := b.TempDir()
	require.NoError(b, os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600))
	return dir
}
