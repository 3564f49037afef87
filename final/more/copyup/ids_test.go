//go:build linux

package copyup

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/more/idmap"
	"container-workshop/final/rootfs"
)

// outcomeOf copies the directory data below a directory. It returns the error, or what the copy has.
func outcomeOf(t *testing.T, c Copy, inside string) string {
	t.Helper()
	root, err := rootfs.OpenRoot(inside)
	require.NoError(t, err)
	defer root.Close()
	place, err := root.Open("data", unix.O_PATH, 0)
	require.NoError(t, err)
	defer unix.Close(place)
	mount, dir := empty(t)
	if err := c.Up(place, "/data", mount, false); err != nil {
		return err.Error()
	}
	text := ""
	for _, name := range namesIn(t, dir) {
		k := knownOf(t, dir+name)
		text += fmt.Sprintf("%s %o %d:%d %q %q\n", name, k.mode, k.uid, k.gid, k.content, k.trusted)
	}
	return text
}

// The host's root copies for root of a user namespace. The kernel is the judge: the test starts itself again in such a namespace, and the
// outcome has to be the same.
func TestTheHostsRootCopiesWhatRootOfAUserNamespaceCould(t *testing.T) {
	if inside := os.Getenv("COPY_UP_AS_ROOT_OF_A_USER_NAMESPACE"); inside != "" {
		require.NoError(t, os.WriteFile(inside+"/outcome", []byte(outcomeOf(t, plain, inside)), 0o600))
		return
	}
	// IDs are the same on both sides, so the outcomes can be compared.
	few := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 0, Size: 10}}
	withNobody := append(few[:1:1], specs.LinuxIDMapping{ContainerID: 65534, HostID: 65534, Size: 1})
	outcomes := map[string]bool{}
	for _, maps := range [][]specs.LinuxIDMapping{few, withNobody} {
		for _, owner := range [][2]int{{0, 0}, {5, 6}, {12, 34}, {0, 34}, {12, 0}, {5, 34}, {12, 6}} {
			for _, mode := range []uint32{0o644, 0o600, 0o640, 0o604, 0o4755, 0o744} {
				for _, kind := range []string{"file", "dir", ".", "null", "link"} {
					inside := t.TempDir()
					data := filepath.Join(inside, "data")
					require.NoError(t, os.Mkdir(data, 0o755))
					name := filepath.Join(data, kind)
					switch kind {
					case "file":
						require.NoError(t, os.WriteFile(name, []byte("content"), 0o600))
						require.NoError(t, unix.Setxattr(name, "trusted.test", []byte("x"), 0))
					case "dir":
						require.NoError(t, os.Mkdir(name, 0o700))
						require.NoError(t, os.WriteFile(filepath.Join(name, "file"), nil, 0o644))
					case "null":
						require.NoError(t, unix.Mknod(name, unix.S_IFCHR, int(unix.Mkdev(1, 3))))
					case "link":
						require.NoError(t, os.Symlink("/etc/passwd", name))
					}
					require.NoError(t, os.Lchown(name, owner[0], owner[1]))
					if kind != "link" {
						require.NoError(t, unix.Chmod(name, mode))
					}
					want := inUserNamespace(t, maps, inside)
					assert.Equal(t, want, outcomeOf(t, Copy{Proc: "/proc", IDs: &idmap.IDs{Users: maps, Groups: maps}}, inside), "%s of %v with mode %o", kind, owner, mode)
					outcomes[want] = true
				}
			}
		}
	}
	t.Logf("%d different outcomes", len(outcomes))
}

// inUserNamespace returns the outcome in a user namespace.
func inUserNamespace(t *testing.T, maps []specs.LinuxIDMapping, inside string) string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "COPY_UP_AS_ROOT_OF_A_USER_NAMESPACE="+inside)
	var ids []syscall.SysProcIDMap
	for _, m := range maps {
		ids = append(ids, syscall.SysProcIDMap{ContainerID: int(m.ContainerID), HostID: int(m.HostID), Size: int(m.Size)})
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS, UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true, Credential: &syscall.Credential{},
	}
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))
	outcome, err := os.ReadFile(inside + "/outcome")
	require.NoError(t, err)
	require.NoError(t, os.Remove(inside+"/outcome"))
	return string(outcome)
}
