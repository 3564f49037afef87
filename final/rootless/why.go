//go:build linux

package rootless

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Host is what can keep an ordinary user from running containers: settings of the kernel, files of the host, and the file systems that
// hold them. Its methods say what is in the way and what to do about it, each in one line. `make doctor` asks the same questions.
type Host struct {
	// Root is the directory below which all files are looked up.
	Root string
	// User is the name of the user, or the ID if the user has no name. Program is the path of final.
	User, Program string
	// Path is the environment variable PATH.
	Path string
	// Statfs tells about the file system of a file. statfs(2)
	Statfs func(name string, stat *unix.Statfs_t) error
	// NoNewPrivs says that no program gets the rights of its owner. PR_SET_NO_NEW_PRIVS(2const)
	NoNewPrivs bool
}

// ThisHost is the host that final runs on, for the user who runs final.
func ThisHost() *Host {
	name := strconv.Itoa(UID())
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	program, _ := os.Executable()
	locked, _ := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	return &Host{Root: "/", User: name, Program: program, Path: os.Getenv("PATH"), Statfs: unix.Statfs, NoNewPrivs: locked == 1}
}

// read returns the text of a file, without spaces around it. It is empty if the file is missing.
func (h *Host) read(name string) string {
	content, _ := os.ReadFile(filepath.Join(h.Root, name))
	return strings.TrimSpace(string(content))
}

// NoNamespace returns why the host gives the user no user namespace. It is nil if no reason is known. user_namespaces(7)
func (h *Host) NoNamespace() error {
	if _, err := os.Lstat(filepath.Join(h.Root, "/proc/self/ns/user")); errors.Is(err, fs.ErrNotExist) {
		return errors.New("the kernel has no user namespaces: use the kernel of a distribution, such as Debian 12 or Ubuntu 24.04, or use sudo")
	}
	for _, s := range []struct{ name, good, problem string }{
		{"kernel.unprivileged_userns_clone", "1", "only root may make a user namespace here"},
		{"user.max_user_namespaces", "15000", "nobody may make a user namespace here"},
	} {
		if h.read("/proc/sys/"+strings.ReplaceAll(s.name, ".", "/")) == "0" {
			return fmt.Errorf("%s, because %s is 0: echo %[2]s=%s | sudo tee /etc/sysctl.d/90-userns.conf && sudo sysctl --system", s.problem, s.name, s.good)
		}
	}
	return h.Restricted()
}

// Restricted returns an error if AppArmor takes away the rights that a user has in a user namespace, as on Ubuntu 24.04. The kernel does not
// refuse the user namespace then, but the first mount in it. A profile that allows user namespaces is for one program. apparmor.d(5)
func (h *Host) Restricted() error {
	if h.read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") != "1" || h.read("/proc/self/attr/current") != "unconfined" {
		return nil
	}
	return fmt.Errorf("AppArmor gives programs without a profile no rights in a user namespace (kernel.apparmor_restrict_unprivileged_userns): "+
		`printf 'abi <abi/4.0>,\nprofile final "%s" flags=(unconfined) {\n  userns,\n}\n' | sudo tee /etc/apparmor.d/final && sudo apparmor_parser -r /etc/apparmor.d/final`, h.Program)
}

// NoProgram returns why newuidmap or newgidmap cannot write the maps of a user. Otherwise it returns the path of the program. newuidmap(1)
func (h *Host) NoProgram(name string) (string, error) {
	var found string
	var stat unix.Stat_t
	for _, dir := range filepath.SplitList(h.Path) {
		file := filepath.Join(dir, name)
		if filepath.IsAbs(dir) && unix.Stat(filepath.Join(h.Root, file), &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFREG && stat.Mode&0o111 != 0 {
			found = file
			break
		}
	}
	if found == "" {
		return "", fmt.Errorf("%s is missing: sudo apt-get install uidmap", name)
	}
	place := filepath.Join(h.Root, found)
	// A file capability does the same as the setuid bit. capabilities(7)
	_, err := unix.Getxattr(place, "security.capability", nil)
	if err != nil && (stat.Mode&unix.S_ISUID == 0 || stat.Uid != 0 && !Entered()) {
		return "", fmt.Errorf("%s is not setuid root: sudo chown root %[1]s && sudo chmod u+s %[1]s", found)
	}
	var fs unix.Statfs_t
	if h.Statfs(place, &fs) == nil && fs.Flags&unix.ST_NOSUID != 0 {
		return "", fmt.Errorf(`%s has no rights, because its file system is mounted nosuid: sudo mount -o remount,suid "$(findmnt -no TARGET -T %[1]s)"`, found)
	}
	if h.NoNewPrivs {
		return "", fmt.Errorf("%s gets no rights, because final was started with no_new_privs: start final outside of the sandbox", found)
	}
	return found, nil
}

// Enough is how many IDs a user should have: container images have users up to 65534.
const Enough = 1<<16 - 1

// NoRange returns why a user has no subordinate IDs, or fewer than a container wants. file is /etc/subuid or /etc/subgid, and count is
// how many the file gives the user.
func (h *Host) NoRange(file string, count uint64) error {
	problem := fmt.Sprintf("has no range for %s", h.User)
	if _, err := os.Stat(filepath.Join(h.Root, file)); errors.Is(err, fs.ErrNotExist) {
		problem = "is missing"
	}
	switch {
	case count >= Enough:
		return nil
	case count > 0:
		problem = fmt.Sprintf("gives %s only %d IDs, and a container may want %d", h.User, count, Enough)
	}
	first := h.free()
	return fmt.Errorf("%s %s: sudo usermod --add-subuids %d-%d --add-subgids %[3]d-%[4]d %[5]s", file, problem, first, first+Enough, h.User)
}

// free returns the first ID above all ranges of both files. 100000 is the first that useradd(8) gives away.
func (h *Host) free() uint64 {
	free := uint64(100000)
	for _, file := range []string{"/etc/subuid", "/etc/subgid"} {
		for line := range strings.Lines(h.read(file)) {
			fields := strings.Split(strings.TrimSpace(line), ":")
			if len(fields) != 3 {
				continue
			}
			start, err := strconv.ParseUint(fields[1], 10, 32)
			count, err2 := strconv.ParseUint(fields[2], 10, 32)
			if errors.Join(err, err2) == nil {
				free = max(free, start+count)
			}
		}
	}
	return free
}

// networked returns the file systems of other hosts, on which the kernel puts no overlay. statfs(2)
func networked() map[int64]string {
	return map[int64]string{
		unix.NFS_SUPER_MAGIC: "NFS", unix.SMB_SUPER_MAGIC: "SMB", unix.CIFS_SUPER_MAGIC: "SMB", unix.SMB2_SUPER_MAGIC: "SMB",
		unix.AFS_SUPER_MAGIC: "AFS", unix.CEPH_SUPER_MAGIC: "Ceph", unix.CODA_SUPER_MAGIC: "Coda", unix.V9FS_MAGIC: "9p",
	}
}

// NoStorage returns an error if the files of containers would be on a file system of another host.
func (h *Host) NoStorage(home string) error {
	var fs unix.Statfs_t
	dir := home
	for h.Statfs(filepath.Join(h.Root, dir), &fs) != nil {
		if dir == "/" || dir == "." {
			return nil
		}
		dir = filepath.Dir(dir)
	}
	kind, found := networked()[fs.Type]
	if !found {
		return nil
	}
	return fmt.Errorf("%s is on %s, where the kernel can put no overlay: set XDG_DATA_HOME to a directory on a disk of this host, such as /var/tmp/%s", home, kind, h.User)
}
