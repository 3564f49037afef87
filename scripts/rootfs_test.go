//go:build linux

package scripts_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// script is the result of running a script.
type script struct {
	output string
	status int
}

func run(t *testing.T, env []string, name string, args ...string) script {
	t.Helper()
	path, err := filepath.Abs(name)
	require.NoError(t, err)
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), env...)
	output, _ := cmd.CombinedOutput()
	require.NotNil(t, cmd.ProcessState, string(output))
	return script{string(output), cmd.ProcessState.ExitCode()}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: make test")
	}
}

func need(t *testing.T, command string) {
	t.Helper()
	if _, err := exec.LookPath(command); err != nil {
		t.Skipf("needs %s", command)
	}
}

// shell runs a line of shell in a folder.
func shell(t *testing.T, dir, line string) {
	t.Helper()
	cmd := exec.Command("sh", "-ec", line)
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s: %s", line, output)
}

// image makes a folder with the least that docker export writes, and with details that an archive can lose: a mode, links.
func image(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	shell(t, dir, `mkdir -p tree/usr/bin tree/etc tree/var tree/dev
		ln -s usr/bin tree/bin
		printf '#!/bin/sh\n' > tree/usr/bin/dash
		chmod 4755 tree/usr/bin/dash
		ln -s dash tree/usr/bin/sh
		ln -s /run tree/var/run
		echo container > tree/etc/hostname`)
	return dir
}

func assertComplete(t *testing.T, rootfs string) {
	t.Helper()
	info, err := os.Stat(filepath.Join(rootfs, "usr/bin/dash"))
	require.NoError(t, err)
	assert.Equal(t, os.ModeSetuid|0o755, info.Mode())
	link, err := os.Readlink(filepath.Join(rootfs, "var/run"))
	require.NoError(t, err)
	assert.Equal(t, "/run", link)
	var null unix.Stat_t
	require.NoError(t, unix.Stat(filepath.Join(rootfs, "dev/null"), &null))
	assert.Equal(t, unix.Mkdev(1, 3), null.Rdev)
	assert.DirExists(t, filepath.Join(rootfs, "proc"))
}

// assertOnly asserts that a folder has these entries and no others.
func assertOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var found []string
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	assert.ElementsMatch(t, names, found)
}

func TestRootfsFromArchive(t *testing.T) {
	needRoot(t)
	for name, pack := range map[string]string{
		"root.tar":     "tar -C tree -cf root.tar .",
		"root.tar.gz":  "tar -C tree -czf root.tar.gz .",
		"root.tar.zst": "tar -C tree --zstd -cf root.tar.zst .",
		"root.zip":     "cd tree && zip -qry ../root.zip .",
		"tar.zip":      "tar -C tree -cf ubuntu.tar . && zip -q tar.zip ubuntu.tar",
		"folder.tar":   "tar -cf folder.tar tree",
		"no-suffix":    "tar -C tree -czf no-suffix .",
	} {
		t.Run(name, func(t *testing.T) {
			if strings.HasSuffix(name, ".zip") {
				need(t, "zip")
			}
			dir, target := image(t), t.TempDir()
			shell(t, dir, pack)
			rootfs := filepath.Join(target, "rootfs")
			made := run(t, nil, "rootfs.sh", rootfs, filepath.Join(dir, name))
			require.Zero(t, made.status, made.output)
			assert.Contains(t, made.output, "is ready")
			assertComplete(t, rootfs)
			assertOnly(t, target, "rootfs")
		})
	}
}

func TestRootfsRefusesOtherArchives(t *testing.T) {
	needRoot(t)
	for name, c := range map[string]struct{ pack, message string }{
		"garbage":     {"echo garbage > archive", "want a .tar"},
		"truncated":   {"tar -C tree -czf whole . && head -c 100 whole > archive", "cannot unpack"},
		"missing":     {"true", "no such file"},
		"empty":       {"mkdir empty && tar -C empty -cf archive .", "no bin/sh"},
		"docker save": {"echo '[]' > manifest.json && tar -cf archive manifest.json", "docker export"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, target := image(t), t.TempDir()
			shell(t, dir, c.pack)
			refused := run(t, nil, "rootfs.sh", filepath.Join(target, "rootfs"), filepath.Join(dir, "archive"))
			assert.Equal(t, 1, refused.status)
			assert.Contains(t, refused.output, c.message)
			assertOnly(t, target)
		})
	}
}

// TestRootfsIsNotLedAstray unpacks archives with symbolic links to a folder of the host.
func TestRootfsIsNotLedAstray(t *testing.T) {
	needRoot(t)
	for name, spoil := range map[string]string{
		"dev":       "rmdir tree/dev && ln -s $PWD/host tree/dev",
		"proc":      "ln -s $PWD/host tree/proc",
		"top level": "cp -a tree/usr tree/bin host && rm -rf tree/* && ln -s $PWD/host tree/root",
	} {
		t.Run(name, func(t *testing.T) {
			dir, target := image(t), t.TempDir()
			shell(t, dir, "mkdir host && "+spoil+" && tar -C tree -cf root.tar . && ls -A host > before")
			refused := run(t, nil, "rootfs.sh", filepath.Join(target, "rootfs"), filepath.Join(dir, "root.tar"))
			assert.Equal(t, 1, refused.status, refused.output)
			assert.Regexp(t, "symbolic link|no bin/sh", refused.output)
			shell(t, dir, "ls -A host | diff before -")
			assertOnly(t, target)
		})
	}
}

func TestRootfsNeverOverwrites(t *testing.T) {
	needRoot(t)
	dir, target := image(t), t.TempDir()
	shell(t, dir, "tar -C tree -cf root.tar .")
	archive, rootfs := filepath.Join(dir, "root.tar"), filepath.Join(target, "rootfs")
	require.Zero(t, run(t, nil, "rootfs.sh", rootfs, archive).status)
	require.NoError(t, os.WriteFile(filepath.Join(rootfs, "etc/mine"), nil, 0o644))

	again := run(t, nil, "rootfs.sh", rootfs)
	assert.Zero(t, again.status, again.output)
	other := run(t, nil, "rootfs.sh", rootfs, archive)
	assert.Equal(t, 1, other.status)
	assert.Contains(t, other.output, "remove it first")
	assert.FileExists(t, filepath.Join(rootfs, "etc/mine"))

	occupied := run(t, nil, "rootfs.sh", dir)
	assert.Equal(t, 1, occupied.status)
	assert.Contains(t, occupied.output, "holds other files")
	assert.DirExists(t, filepath.Join(dir, "tree"))

	file := run(t, nil, "rootfs.sh", archive)
	assert.Equal(t, 1, file.status)
	assert.Contains(t, file.output, "not a directory")
	assertOnly(t, target, "rootfs")
}

// TestRootfsInterrupted replaces mmdebstrap with a script that stops half-way, and sends a signal.
func TestRootfsInterrupted(t *testing.T) {
	needRoot(t)
	need(t, "apt-get")
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			tools, target := t.TempDir(), t.TempDir()
			stuck := "#!/bin/sh\nfor dir; do case $dir in */rootfs.partial) break ;; esac; done\nmkdir $dir/bin && touch $dir/bin/sh && echo half-way >&2\nexec sleep 1000\n"
			require.NoError(t, os.WriteFile(filepath.Join(tools, "mmdebstrap"), []byte(stuck), 0o755))
			rootfs := filepath.Join(target, "rootfs")
			cmd := exec.Command("./rootfs.sh", rootfs)
			cmd.Env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"))
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			output, err := cmd.StderrPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			timeout := time.AfterFunc(time.Minute, func() { unix.Kill(-cmd.Process.Pid, unix.SIGKILL) })
			defer timeout.Stop()
			var seen bytes.Buffer
			for buffer := make([]byte, 1024); !strings.Contains(seen.String(), "half-way"); {
				n, err := output.Read(buffer)
				require.NoError(t, err, seen.String())
				seen.Write(buffer[:n])
			}
			assert.FileExists(t, rootfs+".partial/bin/sh")
			// A terminal sends its signals to the whole process group, too.
			require.NoError(t, unix.Kill(-cmd.Process.Pid, sig))
			assert.Error(t, cmd.Wait())
			assert.NoDirExists(t, rootfs)
			if sig != syscall.SIGKILL {
				assertOnly(t, target)
			}

			dir := image(t)
			shell(t, dir, "tar -C tree -cf root.tar .")
			again := run(t, nil, "rootfs.sh", rootfs, filepath.Join(dir, "root.tar"))
			require.Zero(t, again.status, again.output)
			assertComplete(t, rootfs)
			assertOnly(t, target, "rootfs")
		})
	}
}

func TestRootfsOfTheHostsDistribution(t *testing.T) {
	needRoot(t)
	need(t, "apt-get")
	rootfs := filepath.Join(t.TempDir(), "rootfs")
	made := run(t, nil, "rootfs.sh", rootfs)
	require.Zero(t, made.status, made.output)
	expected, err := os.ReadFile("/etc/os-release")
	require.NoError(t, err)
	release, err := os.ReadFile(filepath.Join(rootfs, "etc/os-release"))
	require.NoError(t, err)
	assert.Equal(t, string(expected), string(release))
	for _, program := range []string{"bash", "ps", "ip", "hostname", "mount"} {
		output, err := exec.Command("chroot", rootfs, "sh", "-c", "command -v "+program).CombinedOutput()
		assert.NoError(t, err, "%s: %s", program, output)
	}
	doctor := run(t, nil, "doctor.sh", rootfs)
	assert.Regexp(t, `ok +rootfs`, doctor.output)
}

func TestRootfsWithoutApt(t *testing.T) {
	needRoot(t)
	target := t.TempDir()
	refused := run(t, []string{"PATH=" + without(t, "apt-get")}, "rootfs.sh", filepath.Join(target, "rootfs"))
	assert.Equal(t, 1, refused.status)
	assert.Contains(t, refused.output, "docker export workshop > ubuntu.tar")
	assert.Contains(t, refused.output, "make rootfs FROM=ubuntu.tar")
	assertOnly(t, target)
}

func TestRootfsNeedsRoot(t *testing.T) {
	needRoot(t)
	target := t.TempDir()
	require.NoError(t, os.Chmod(target, 0o755))
	shell(t, target, "mkdir open && chmod 777 open")
	text, err := os.ReadFile("rootfs.sh")
	require.NoError(t, err)
	cmd := exec.Command("bash", "-s", "--", filepath.Join(target, "open/rootfs"))
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(text)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	output, err := cmd.CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(output), "needs root")
	assertOnly(t, filepath.Join(target, "open"))
}

// without makes a PATH with all commands of the host except the missing ones.
func without(t *testing.T, missing ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, from := range filepath.SplitList(os.Getenv("PATH")) {
		entries, _ := os.ReadDir(from)
		for _, entry := range entries {
			os.Symlink(filepath.Join(from, entry.Name()), filepath.Join(dir, entry.Name()))
		}
	}
	for _, name := range missing {
		os.Remove(filepath.Join(dir, name))
	}
	return dir
}
