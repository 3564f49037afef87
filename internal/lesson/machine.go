//go:build linux

package lesson

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// A Machine is where we try the commands of a page: this host, with another hostname, its own processes, mounts and network, and copies of
// the workshop (in /workshop) and of the root file system. All changes end with the machine, except cgroups.
type Machine struct {
	first, second *Terminal
	// dir holds the files that the machine changes. made are the mount points that Boot has created on the host.
	dir  string
	made []string
	size pty.Winsize
}

// boot becomes the first shell of a machine. It makes all mounts shared, as systemd does.
const boot = `set -e
mount --make-rprivate /
umount -l /proc
mount -t proc proc /proc
mount -t tmpfs tmpfs "$DIR"
mkdir -p "$DIR"/top/upper "$DIR"/top/work "$DIR"/rootfs/upper "$DIR"/rootfs/work
mount -t overlay overlay -o "lowerdir=$TOP,upperdir=$DIR/top/upper,workdir=$DIR/top/work" /workshop
if [ -d "$ROOTFS" ]; then
	mount -t overlay overlay -o "lowerdir=$ROOTFS,upperdir=$DIR/rootfs/upper,workdir=$DIR/rootfs/work" /var/lib/container-workshop/rootfs
fi
# The reader of a page has just cloned the workshop.
[ ! -d /workshop/work ] || find /workshop/work -mindepth 1 -maxdepth 1 ! -name .gitignore -exec rm -rf {} +
hostname workshop
ip link set lo up
# The reader's machine forwards no packets.
echo 0 >/proc/sys/net/ipv4/ip_forward
mount -t tmpfs -o mode=700 tmpfs /var/lib/container-workshop/networks
echo "127.0.0.1 localhost workshop" >"$DIR/hosts"
hostname >"$DIR/hostname"
for file in hosts hostname; do
	[ ! -e /etc/$file ] || mount --bind "$DIR/$file" /etc/$file
done
[ ! -e /root/.bashrc ] || mount --bind /dev/null /root/.bashrc
mount --make-rshared /
cd /workshop
unset DIR TOP ROOTFS OLDPWD CI MAKEFLAGS MAKELEVEL MFLAGS
exec env 'PS1=$ ' 'PS2=> ' bash --norc --noprofile -i`

// Boot makes a machine from the workshop in top and from a root file system. It needs root. size is the size of the terminals.
func Boot(top, rootfs string, size pty.Winsize) (*Machine, error) {
	m := &Machine{size: size}
	for _, dir := range []string{"/workshop", "/var/lib/container-workshop", "/var/lib/container-workshop/rootfs", "/var/lib/container-workshop/networks"} {
		err := os.Mkdir(dir, 0o755)
		if err == nil {
			m.made = append(m.made, dir)
		} else if !errors.Is(err, fs.ErrExist) {
			m.Close()
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "container-workshop-lesson-")
	if err != nil {
		m.Close()
		return nil, err
	}
	m.dir = dir
	shell := exec.Command("bash", "-c", boot)
	shell.Env = append(os.Environ(), "DIR="+dir, "TOP="+top, "ROOTFS="+rootfs, "TERM=dumb", "HISTFILE=", "LC_ALL=C.UTF-8")
	// If the test is killed, the terminal closes. Then the shell ends, and as process 1 takes the machine with it.
	shell.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWPID | unix.CLONE_NEWNET}
	if m.first, err = open(shell, size); err == nil {
		var text string
		if text, err = m.first.await("$ ", 0); err != nil {
			err = fmt.Errorf("%w: %s", err, tail(text))
		}
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Terminal returns the first terminal of the machine.
func (m *Machine) Terminal() *Terminal { return m.first }

// Second returns the second terminal of the machine.
func (m *Machine) Second() (*Terminal, error) {
	if m.second != nil {
		return m.second, nil
	}
	// setsid cannot make the leader of a process group the first process of a session. A child of nsenter is no such leader.
	shell := exec.Command("nsenter", "--target", fmt.Sprint(m.first.shell.Process.Pid), "--mount", "--uts", "--pid", "--net",
		"env", "--chdir=/workshop", "PS1=$ ", "TERM=dumb", "HISTFILE=", "LC_ALL=C.UTF-8", "setsid", "--ctty", "bash", "--norc", "--noprofile", "-i")
	shell.SysProcAttr = &unix.SysProcAttr{}
	var err error
	m.second, err = open(shell, m.size)
	return m.second, err
}

// Close ends every process of the machine.
func (m *Machine) Close() {
	if m.first != nil {
		m.first.close()
	}
	if m.second != nil {
		m.second.close()
	}
	os.Remove(m.dir)
	for _, dir := range slices.Backward(m.made) {
		os.Remove(dir)
	}
}
