//go:build linux

package vm_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A release is a distribution to install, with the origin of its packages. The mirror comes from the host's apt.
type release struct{ origin, name, components string }

// releases returns the releases to test: one, or all of them if WORKSHOP_LONG is set.
func releases(t *testing.T) []release {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: make test")
	}
	need(t, "mmdebstrap", "mmdebstrap")
	all := []release{{"Debian", "trixie", "main"}, {"Ubuntu", "noble", "main universe"}, {"Debian", "bookworm", "main"}, {"Ubuntu", "resolute", "main universe"}}
	all = slices.DeleteFunc(all, func(r release) bool { return r.mirror(t) == "" })
	if len(all) == 0 {
		t.Skip("needs apt sources of Debian or Ubuntu")
	}
	if os.Getenv("WORKSHOP_LONG") == "" {
		all = all[:1]
	}
	return all
}

// mirror returns a mirror of the release, or nothing if the host's apt knows no mirror.
func (r release) mirror(t *testing.T) string {
	t.Helper()
	mirrors, err := exec.Command("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: "+r.origin, "Label: "+r.origin).Output()
	require.NoError(t, err)
	mirror, _, _ := strings.Cut(string(mirrors), "\n")
	return mirror
}

// fresh makes the root file system of a newly installed machine, with apt, sudo, a user named learner, and the workshop's sources in
// /workshop. It returns the directory.
func (r release) fresh(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), r.name)
	script := `
		mmdebstrap --quiet --variant=apt --include=passwd,sudo,iproute2 --keyring=/usr/share/keyrings ` + r.name + ` ` + dir + ` "deb ` + r.mirror(t) + ` ` + r.name + ` ` + r.components + `"
		chroot ` + dir + ` useradd --create-home --shell /bin/bash learner
		echo 'learner ALL=(ALL) NOPASSWD: ALL' >` + dir + `/etc/sudoers.d/learner
		mkdir -p ` + dir + `/workshop ` + dir + `/usr/local/share/ca-certificates
		# If the host is behind a proxy, this is where it keeps the proxy's certificate.
		cp /usr/local/share/ca-certificates/*.crt ` + dir + `/usr/local/share/ca-certificates || true
		tar -C .. --exclude=./build --exclude=./work --exclude=./.git -c . | tar -x -C ` + dir + `/workshop
		chroot ` + dir + ` chown -R learner: /workshop`
	output, err := exec.Command("bash", "-euc", script).CombinedOutput()
	require.NoError(t, err, string(output))
	return dir
}

// A machine is a privileged container of final. All its changes are gone when it ends.
type machine struct {
	t         *testing.T
	final, id string
}

func start(t *testing.T, rootfs string, flags ...string) *machine {
	t.Helper()
	m := &machine{t, filepath.Join(t.TempDir(), "final"), fmt.Sprintf("provision-%d", os.Getpid())}
	build := exec.Command("go", "build", "-o", m.final, "../final")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	require.NoError(t, err, string(output))
	args := []string{"run", "--detach", "--name", m.id, "--rootfs", rootfs, "--privileged", "--memory", "4g", "--pids", "4096",
		"--cpus", fmt.Sprint(runtime.NumCPU())}
	output, err = exec.Command(m.final, append(append(args, flags...), "sleep", "infinity")...).CombinedOutput()
	require.NoError(t, err, string(output))
	t.Cleanup(func() {
		output, err := exec.Command(m.final, "delete", "--force", m.id).CombinedOutput()
		assert.NoError(t, err, string(output))
	})
	return m
}

// as runs a command line in a login shell of the user, in the workshop's folder. It returns the output, and whether the line succeeded.
func (m *machine) as(user, line string) (string, bool) {
	m.t.Helper()
	home := map[string]string{"root": "/root", "learner": "/home/learner"}[user]
	cmd := exec.Command(m.final, "exec", "--user", user, "--env", "HOME="+home, "--env", "USER="+user, m.id, "bash", "-lc", "cd /workshop && "+line)
	output, err := cmd.CombinedOutput()
	return string(output), err == nil
}

// does runs a command line that must succeed.
func (m *machine) does(user, line string) string {
	m.t.Helper()
	output, ok := m.as(user, line)
	require.True(m.t, ok, "%s\n%s", line, output)
	return output
}

func TestProvision(t *testing.T) {
	for _, r := range releases(t) {
		t.Run(r.name, func(t *testing.T) {
			rootfs := r.fresh(t)
			t.Run("makes a fresh machine ready", func(t *testing.T) { makesReady(t, rootfs) })
			t.Run("says what to do", func(t *testing.T) { saysWhatToDo(t, rootfs) })
		})
	}
}

func makesReady(t *testing.T, rootfs string) {
	// The disk of this machine is an overlay, like the disk of a dev container. The volume is not.
	m := start(t, rootfs, "--network", "host", "--volume", t.TempDir()+":/var/lib/container-workshop")
	first := m.does("learner", "sudo vm/provision.sh --login")
	t.Log(first)
	for _, part := range []string{"packages", "Go", "modules", "rootfs", "steps", "login"} {
		assert.Regexp(t, `(?m)^provision: `+part+` +\d+ s  `, first)
	}
	assert.Contains(t, first, "\nAll is well. Now: make run\n")

	// A second run must change nothing.
	m.does("root", "touch /before")
	second := m.does("learner", "sudo vm/provision.sh --login")
	t.Log(second)
	changed := m.does("root", "find / /var/lib/container-workshop -xdev -newer /before -not -path '/tmp' -not -path '/run*' -not -path '/dev*' -not -path '*/go-build/*' -not -path '*/telemetry/*'")
	assert.Equal(t, "", changed)

	// From here on, everything runs as the user, and with no network but the loopback interface, where tests have servers.
	assert.Equal(t, "/workshop\n", m.does("root", "runuser -l learner -c pwd"))
	assert.Equal(t, "0.0.0.0:8015\n", m.does("root", "runuser -l learner -c 'echo $WORKSHOP_ADDRESS'"))
	offline := "sudo unshare --net -- sh -c 'ip link set lo up; exec \"$@\"' - runuser -u learner -- env HOME=$HOME "
	assert.Contains(t, m.does("learner", offline+"go version"), wanted(t))
	m.does("learner", offline+"go build -o build/ ./step0*/ ./final")
	// All packages have all modules that they and their tests import. To compile them all would take minutes, and make lint does so.
	m.does("learner", offline+"go list -deps -test ./... >/dev/null")
	// As root, the tests would start containers inside this container, whose cgroups do not allow that.
	tests := m.does("learner", offline+"go test -v -vet=off ./step0*/ ./internal/... ./final/spec ./final/engine/flags")
	assert.Contains(t, tests, "needs root: make test")
	assert.Contains(t, tests, "--- PASS: TestEveryStepIsItsPredecessorPlusAFewLines")
	assert.NotContains(t, tests, "--- FAIL")

	// A folder that is shared with a host can belong to another user. Then git says nothing about it, and go build fails.
	m.does("root", "git init -q && chown -R nobody .")
	assert.Contains(t, m.does("learner", "sudo vm/provision.sh"), "trusts /workshop")
	assert.NotContains(t, m.does("learner", "sudo vm/provision.sh"), "trusts /workshop")

	// Containers often start as root, without sudo. The learner's caches save the downloads.
	alone := m.does("root", "SUDO_FORCE_REMOVE=yes apt-get -qq remove sudo && GOMODCACHE=/home/learner/go/pkg/mod GOCACHE=/home/learner/.cache/go-build vm/provision.sh")
	assert.Contains(t, alone, "installed sudo")
	assert.Contains(t, alone, "\nAll is well. Now: make run\n")
}

// wanted is the version of Go in go.mod.
func wanted(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(text), "\ngo ")
	version, _, _ := strings.Cut(rest, "\n")
	return "go" + version
}

func saysWhatToDo(t *testing.T, rootfs string) {
	for name, c := range map[string]struct {
		flags      []string
		user, line string
		words      []string
	}{
		"no root":     {nil, "learner", "vm/provision.sh", []string{"needs root: sudo vm/provision.sh"}},
		"other words": {nil, "learner", "sudo vm/provision.sh --all", []string{"usage: ", "[--login]"}},
		"no network":  {nil, "learner", "sudo vm/provision.sh", []string{"packages failed", "is there a network", "run this again"}},
		"no space": {[]string{"--tmpfs", "/home/learner:size=64m"}, "learner", "sudo vm/provision.sh",
			[]string{"/home/learner has 64 MiB free", "free some space"}},
	} {
		t.Run(name, func(t *testing.T) {
			output, ok := start(t, rootfs, c.flags...).as(c.user, c.line)
			assert.False(t, ok)
			lines := strings.Split(strings.TrimSpace(output), "\n")
			for _, word := range c.words {
				assert.Contains(t, lines[len(lines)-1], word, output)
			}
		})
	}
}
