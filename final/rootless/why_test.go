//go:build linux

package rootless

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// hostWith makes a host with files, by their paths. The mode of newuidmap is setuid.
func hostWith(t *testing.T, files map[string]string) *Host {
	t.Helper()
	h := &Host{Root: t.TempDir(), User: "alice", Program: "/opt/final", Path: "relative:/opt/bin:/usr/bin", Statfs: func(string, *unix.Statfs_t) error { return nil }}
	for name, content := range files {
		place := filepath.Join(h.Root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(place), 0o755))
		require.NoError(t, os.WriteFile(place, []byte(content), 0o755))
		if strings.HasSuffix(name, "uidmap") {
			require.NoError(t, os.Chmod(place, 0o755|os.ModeSetuid))
		}
	}
	return h
}

const namespaceFile = "proc/self/ns/user"

func TestWhyAUserGetsNoUserNamespace(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		words []string
	}{
		"a good host": {map[string]string{
			namespaceFile: "", "proc/sys/kernel/unprivileged_userns_clone": "1\n", "proc/sys/user/max_user_namespaces": "15000\n",
			"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "0\n", "proc/self/attr/current": "unconfined\n",
		}, nil},
		"without settings": {map[string]string{namespaceFile: ""}, nil},
		"no namespaces":    {nil, []string{"the kernel has no user namespaces", "use sudo"}},
		"not for users": {map[string]string{namespaceFile: "", "proc/sys/kernel/unprivileged_userns_clone": "0\n"},
			[]string{"kernel.unprivileged_userns_clone is 0", "echo kernel.unprivileged_userns_clone=1 | sudo tee", "sudo sysctl --system"}},
		"none at all": {map[string]string{namespaceFile: "", "proc/sys/user/max_user_namespaces": "0\n"},
			[]string{"user.max_user_namespaces is 0", "echo user.max_user_namespaces=15000 | sudo tee"}},
		"AppArmor": {map[string]string{namespaceFile: "", "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n", "proc/self/attr/current": "unconfined\n"},
			[]string{"AppArmor", "kernel.apparmor_restrict_unprivileged_userns", `profile final "/opt/final" flags=(unconfined) {\n  userns,\n}`, "apparmor_parser"}},
		"AppArmor, with a profile": {map[string]string{namespaceFile: "", "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n", "proc/self/attr/current": "final (unconfined)\n"}, nil},
	} {
		says(t, hostWith(t, c.files).NoNamespace(), name, c.words)
	}
}

// says requires an error of one line with words in it, or none without words.
func says(t *testing.T, err error, name string, words []string) {
	t.Helper()
	if words == nil {
		assert.NoError(t, err, name)
		return
	}
	for _, word := range words {
		assert.ErrorContains(t, err, word, name)
	}
	assert.NotContains(t, err.Error(), "\n", name)
}

func TestWhyAProgramWritesNoMaps(t *testing.T) {
	h := hostWith(t, map[string]string{"usr/bin/newuidmap": ""})
	program, err := h.NoProgram("newuidmap")
	require.NoError(t, err)
	assert.Equal(t, "/usr/bin/newuidmap", program)
	_, err = h.NoProgram("newgidmap")
	says(t, err, "missing", []string{"newgidmap is missing: sudo apt-get install uidmap"})

	h.Statfs = func(name string, stat *unix.Statfs_t) error {
		assert.Equal(t, filepath.Join(h.Root, "usr/bin/newuidmap"), name)
		stat.Flags = unix.ST_NOSUID
		return nil
	}
	_, err = h.NoProgram("newuidmap")
	says(t, err, "nosuid", []string{"/usr/bin/newuidmap", "mounted nosuid", "sudo mount -o remount,suid"})

	h = hostWith(t, map[string]string{"opt/bin/newuidmap": ""})
	h.NoNewPrivs = true
	_, err = h.NoProgram("newuidmap")
	says(t, err, "a sandbox", []string{"no_new_privs", "sandbox"})

	place := filepath.Join(h.Root, "opt/bin/newuidmap")
	for name, spoil := range map[string]func() error{
		"not setuid": func() error { return os.Chmod(place, 0o755) },
		"not root's": func() error { return os.Chown(place, 1000, 1000) },
	} {
		require.NoError(t, spoil())
		_, err = h.NoProgram("newuidmap")
		says(t, err, name, []string{"/opt/bin/newuidmap is not setuid root: sudo chown root", "sudo chmod u+s /opt/bin/newuidmap"})
	}
}

func TestWhyAUserHasTooFewIDs(t *testing.T) {
	h := hostWith(t, map[string]string{"etc/subuid": "bob:100000:65536\n# no range\n", "etc/subgid": "bob:200000:65536\n"})
	assert.NoError(t, h.NoRange("/etc/subuid", Enough))
	const remedy = "sudo usermod --add-subuids 265536-331071 --add-subgids 265536-331071 alice"
	says(t, h.NoRange("/etc/subuid", 0), "none", []string{"/etc/subuid has no range for alice: " + remedy})
	says(t, h.NoRange("/etc/subgid", 1000), "few", []string{"/etc/subgid gives alice only 1000 IDs, and a container may want 65535: " + remedy})
	h = hostWith(t, nil)
	says(t, h.NoRange("/etc/subgid", 0), "missing", []string{"/etc/subgid is missing: sudo usermod --add-subuids 100000-165535"})
}

func TestWhyAHomeHoldsNoContainers(t *testing.T) {
	h := hostWith(t, nil)
	for name, c := range map[string]struct {
		kind  int64
		words []string
	}{
		"ext4": {unix.EXT4_SUPER_MAGIC, nil}, "tmpfs": {unix.TMPFS_MAGIC, nil},
		"NFS": {unix.NFS_SUPER_MAGIC, []string{"/home/alice/.local/share is on NFS", "XDG_DATA_HOME", "/var/tmp/alice"}},
		"SMB": {unix.SMB2_SUPER_MAGIC, []string{"is on SMB"}},
		"9p":  {unix.V9FS_MAGIC, []string{"is on 9p"}},
	} {
		h.Statfs = func(place string, stat *unix.Statfs_t) error {
			// The directory has not been made yet.
			if place != filepath.Join(h.Root, "home") {
				return unix.ENOENT
			}
			stat.Type = c.kind
			return nil
		}
		says(t, h.NoStorage("/home/alice/.local/share"), name, c.words)
	}
}
