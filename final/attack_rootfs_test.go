//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
)

// breakOut leaves a root directory that was only made with chroot(2): it makes another one below, so that the old one is no
// bound any more, and goes up from outside of it. Then it looks for a file of the host.
func breakOut(args []string) error {
	how, marker := args[0], args[1]
	if err := unix.Mkdir("/deeper", 0o755); err != nil {
		return err
	}
	root, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	if how == "fchdir" {
		// The working directory is below the new root. Only the descriptor is outside of it.
		if err := unix.Chdir("/deeper"); err != nil {
			return err
		}
	}
	if err := unix.Chroot("/deeper"); err != nil {
		return err
	}
	if how == "fchdir" {
		if err := unix.Fchdir(root); err != nil {
			return err
		}
	}
	for range 64 {
		if err := unix.Chdir(".."); err != nil {
			return err
		}
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	return unix.Access(marker, unix.F_OK)
}

// pivot_root(2)
func TestChrootDoesNotLeadOutOfTheContainer(t *testing.T) {
	marker := file(t, "marker", "of the host")
	for _, how := range []string{"chdir", "fchdir"} {
		// The container can call chroot: that is not what stops it.
		assert.Equal(t, "ENOENT", attacked(t, nil, "chroot", how, marker), how)
		assert.Equal(t, "ENOENT", attacked(t, []string{"--privileged"}, "chroot", how, marker), how)
	}
	t.Run("control", func(t *testing.T) {
		for _, how := range []string{"chdir", "fchdir"} {
			cmd := step(t, "step04-chroot", "--rootfs", image(t, nil), "/attack", "attack", "chroot", how, marker)
			assert.Equal(t, "done", printed(t, cmd), how)
		}
	})
}

// CVE-2019-19921, CVE-2023-27561
func TestProcAndSysOfAnImageAreNoLinks(t *testing.T) {
	for _, name := range []string{"proc", "sys"} {
		for _, target := range []string{"/tmp", "../../../../../../tmp", "nowhere", "/" + name} {
			dir := rootfsOf(t, map[string]string{name: "-> " + target})
			refused(t, final(t, "run", "--rootfs", dir, "/bin/true"), 125, "/"+name, "not a symbolic link")
		}
		dir := rootfsOf(t, map[string]string{name: "a file"})
		refused(t, final(t, "run", "--rootfs", dir, "/bin/true"), 125, "/"+name)
	}
	assert.Equal(t, 0, final(t, "run", "--rootfs", rootfsOf(t, nil), "/bin/true").status)
	t.Run("control", func(t *testing.T) {
		dir := rootfsOf(t, map[string]string{"proc": "-> /tmp"})
		assert.Equal(t, "cat", printed(t, step(t, "step07-tmpfs", "--rootfs", dir, "/bin/cat", "/tmp/self/comm")))
	})
}

// CVE-2019-16884
func TestNothingIsMountedOnOrUnderProc(t *testing.T) {
	volume := t.TempDir()
	for _, target := range []string{"/proc", "/proc/", "/proc/self", "/proc/self/attr", "/proc/sys/kernel", "/tmp/../proc/1", "//proc//self", "/sys", "/sys/fs/cgroup", "/dev/pts"} {
		refused(t, run(t, "true", "--volume", volume+":"+target), 125, "nothing can be mounted on or below")
		refused(t, run(t, "true", "--tmpfs", target), 125, "nothing can be mounted on or below")
	}
	// The name is innocent, and where the image makes it lead is not.
	for _, link := range []string{"/proc", "/proc/self", "/proc/sys", "../proc", "/proc/1/root/proc"} {
		dir := rootfsOf(t, map[string]string{"innocent": "-> " + link})
		refused(t, final(t, "run", "--rootfs", dir, "--volume", volume+":/innocent", "/bin/true"), 125, "/innocent")
		refused(t, final(t, "run", "--rootfs", dir, "--volume", volume+":/innocent/attr", "/bin/true"), 125, "/innocent")
	}
	empty(t, volume)
	// A link to another place is no reason to refuse it.
	require.NoError(t, os.WriteFile(filepath.Join(volume, "found"), nil, 0o644))
	dir := rootfsOf(t, map[string]string{"innocent": "-> /tmp"})
	r := final(t, "run", "--rootfs", dir, "--volume", volume+":/innocent", "/bin/ls", "/tmp")
	assert.Equal(t, "found\n", r.stdout, r.stderr)
}

// CVE-2021-30465, CVE-2024-45310
func TestAMountTargetIsBelowTheRoot(t *testing.T) {
	volume, outside := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(volume, "found"), nil, 0o644))
	for _, link := range []string{outside, "../../../../../../../.." + outside} {
		dir := rootfsOf(t, map[string]string{"data": "-> " + link})
		for _, flag := range [][]string{{"--volume", volume + ":/data/below"}, {"--tmpfs", "/data/below"}, {"--workdir", "/data/below"}} {
			args := append([]string{"run", "--rootfs", dir}, flag...)
			// What the link leads to is made, in the container.
			r := final(t, append(args, "/bin/ls", "-d", outside+"/below")...)
			assert.Equal(t, outside+"/below\n", r.stdout, r.stderr)
			empty(t, outside)
		}
	}
	t.Run("control: a path without a root", func(t *testing.T) {
		dir := rootfsOf(t, map[string]string{"data": "-> " + outside})
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "data/below"), 0o755))
		assert.DirExists(t, filepath.Join(outside, "below"))
	})
}

// Two containers have a volume in common. One of them makes a directory in it a link, again and again, while the other starts.
// CVE-2021-30465
func TestAMountTargetBecomesALink(t *testing.T) {
	common, outside := t.TempDir(), t.TempDir()
	place, link := filepath.Join(common, "place"), filepath.Join(common, "link")
	require.NoError(t, os.Mkdir(place, 0o755))
	require.NoError(t, os.Symlink(outside, link))
	exchange(t, place, link)
	for range 20 {
		r := run(t, "true", "--volume", common+":/common", "--volume", t.TempDir()+":/common/place/a/b")
		assert.Contains(t, []int{0, 125}, r.status, r.stderr)
	}
	empty(t, outside)
	t.Run("control: look first", func(t *testing.T) {
		for deadline := time.Now().Add(soon); time.Now().Before(deadline); {
			if info, err := os.Lstat(place); err == nil && info.IsDir() {
				_ = os.Mkdir(filepath.Join(place, "escaped"), 0o755)
			}
			if _, err := os.Lstat(filepath.Join(outside, "escaped")); err == nil {
				return
			}
		}
		t.Error("the race was never lost")
	})
}

// CVE-2026-41579, CVE-2026-47766
func TestDevOfAnImageLeadsNowhere(t *testing.T) {
	outside := t.TempDir()
	for _, link := range []string{outside, "../../../../../../../.." + outside, "/proc", "/etc"} {
		dir := rootfsOf(t, map[string]string{"dev": "-> " + link})
		r := final(t, "run", "--rootfs", dir, "--device", "/dev/null:/dev/added", "/bin/ls", "/dev/")
		assert.Contains(t, []int{0, 125}, r.status)
		if r.status == 0 {
			assert.Contains(t, r.stdout, "added\n")
		}
		empty(t, outside)
		_, err := os.Lstat(filepath.Join(dir, "etc/added"))
		assert.ErrorIs(t, err, os.ErrNotExist)
	}
	t.Run("control: a path without a root", func(t *testing.T) {
		dir := rootfsOf(t, map[string]string{"dev": "-> " + outside})
		require.NoError(t, unix.Mknod(filepath.Join(dir, "dev/null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
		_, err := os.Lstat(filepath.Join(outside, "null"))
		assert.NoError(t, err)
	})
}

// CVE-2025-31133
func TestAnImageCannotChooseWhatDevNullIs(t *testing.T) {
	dir := rootfsOf(t, map[string]string{"dev/null": "-> /etc/victim", "etc/victim": "as it was"})
	r := final(t, "run", "--rootfs", dir, "/bin/sh", "-c", "stat -c %F,%t:%T /dev/null /proc/keys; cat /proc/keys /etc/victim")
	assert.Equal(t, strings.Repeat("character special file,1:3\n", 2)+"as it was", r.stdout, r.stderr)

	// Nor can what is mounted there before the device is made.
	victim := file(t, "victim", "of the host")
	refused(t, run(t, "true", "--volume", victim+":/dev/null"), 125, "null already exists as another file")
	unchanged(t, victim, "of the host")
	dir = rootfsOf(t, map[string]string{"etc/hosts": "-> /dev/null"})
	refused(t, final(t, "run", "--rootfs", dir, "/bin/true"), 125, "null already exists as another file")

	// Where an image's own /dev is used, it is the device or the start fails.
	for _, null := range []struct {
		name        string
		kind, minor uint32
		good        bool
	}{{"null", unix.S_IFREG, 0, false}, {"null", unix.S_IFIFO, 0, false}, {"null", unix.S_IFCHR, 5, false}, {"null", unix.S_IFBLK, 3, false}, {"real", unix.S_IFCHR, 3, false}, {"null", unix.S_IFCHR, 3, true}} {
		dir := rootfsOf(t, nil)
		require.NoError(t, unix.Mknod(filepath.Join(dir, "dev", null.name), null.kind|0o666, int(unix.Mkdev(1, null.minor))))
		if null.name != "null" {
			require.NoError(t, os.Symlink(null.name, filepath.Join(dir, "dev/null")))
		}
		root, err := rootfs.OpenRoot(dir)
		require.NoError(t, err)
		mask, err := rootfs.NewMask(root, -1)
		root.Close()
		if assert.Equal(t, null.good, err == nil, "%+v: %v", null, err) && null.good {
			mask.Close()
		}
	}
}

// CVE-2025-52565
func TestATerminalIsNotWhereAnImageSaysItIs(t *testing.T) {
	victim, outside := file(t, "victim", "as it was"), t.TempDir()
	dir := rootfsOf(t, map[string]string{"dev/console": "-> " + victim, "dev/pts": "-> " + outside, "dev/ptmx": "-> " + victim, "dev/tty": "-> " + victim})
	script := "stat -c %t:%T /dev/console; echo to the console >/dev/console; ls -1 /dev/pts; ls " + outside
	r := final(t, "run", "--rootfs", dir, "--tty", "/bin/sh", "-c", script)
	assert.Equal(t, 1, r.status, "the host's directory is not to be there: %s", r.stdout)
	assert.Contains(t, r.stdout, "88:0\nto the console\n0\nptmx\n", r.stderr)
	// The container's own file at that place is no mount either.
	r = final(t, "run", "--rootfs", dir, "--tty", "--volume", outside+":/dev/console", "/bin/true")
	assert.NotEqual(t, 0, r.status)
	unchanged(t, victim, "as it was")
	empty(t, outside)
	t.Run("control: a path without a root", func(t *testing.T) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "dev/console"), []byte("written"), 0o644))
		unchanged(t, victim, "written")
	})
}
