//go:build linux

package scripts_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sandbox makes a root file system with nothing but the host's shell and the files that doctor looks for.
func sandbox(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rootfs")
	shell(t, "/", `mkdir -p `+dir+`/bin `+dir+`/dev
		cp -L /bin/sh `+dir+`/bin/sh
		touch `+dir+`/bin/ps `+dir+`/bin/ip `+dir+`/bin/hostname
		ld=$(head -c 4096 /bin/sh | tr '\0' '\n' | grep -am1 '^/.*/ld-')
		mkdir -p `+dir+`$(dirname $ld)
		cp -L $ld `+dir+`$ld
		mknod -m 666 `+dir+`/dev/null c 1 3`)
	return dir
}

func TestDoctorNamesWhatToDo(t *testing.T) {
	needRoot(t)
	path := os.Getenv("PATH")
	for name, c := range map[string]struct{ spoil, path, line, remedy string }{
		"nothing":              {"true", path, "", ""},
		"no root file system":  {"rm -rf ../rootfs/*; rmdir ../rootfs", path, "FIX   rootfs", "make rootfs"},
		"no shell":             {"rm bin/sh", path, "FIX   rootfs", "make rootfs"},
		"another architecture": {`printf '\363\000' | dd of=bin/sh bs=1 seek=18 conv=notrunc status=none`, path, "FIX   rootfs", "make rootfs"},
		"no interpreter":       {"rm -rf lib*", path, "FIX   rootfs", "make rootfs"},
		"no ps":                {"rm bin/ps", path, "FIX   rootfs", "procps"},
		"no device":            {"rm dev/null", path, "FIX   devices", "mknod"},
		"no pgrep":             {"true", without(t, "pgrep"), "FIX   tools", "apt-get install procps"},
		"no Go":                {"true", without(t, "go"), "FIX   Go", "apt-get install golang-go"},
	} {
		t.Run(name, func(t *testing.T) {
			rootfs := sandbox(t)
			shell(t, rootfs, c.spoil)
			doctor := run(t, []string{"PATH=" + c.path}, "doctor.sh", rootfs)
			if c.line == "" {
				assert.Zero(t, doctor.status, doctor.output)
				assert.NotContains(t, doctor.output, "FIX")
				return
			}
			assert.Equal(t, 1, doctor.status, doctor.output)
			assert.Equal(t, 1, strings.Count(doctor.output, "FIX"), doctor.output)
			assert.Contains(t, doctor.output, c.line)
			_, remedy, _ := strings.Cut(doctor.output, " -> ")
			assert.Contains(t, remedy, c.remedy)
		})
	}
}

func TestDoctorSeesLineEndsOfWindows(t *testing.T) {
	dir := t.TempDir()
	shell(t, ".", "mkdir "+dir+"/scripts && cp ../go.mod "+dir+" && cp doctor.sh "+dir+"/scripts && printf 'help:\\r\\n' > "+dir+"/Makefile")
	doctor := run(t, nil, filepath.Join(dir, "scripts/doctor.sh"))
	assert.Equal(t, 1, doctor.status)
	assert.Contains(t, doctor.output, "FIX   line ends")
	assert.Contains(t, doctor.output, "core.autocrlf")
	// A whole checkout has them, and they do not fill the screen.
	shell(t, dir, "for n in $(seq 200); do cp Makefile scripts/$n.sh; done")
	doctor = run(t, nil, filepath.Join(dir, "scripts/doctor.sh"))
	assert.Contains(t, doctor.output, "Windows line ends in Makefile scripts/1.sh scripts/10.sh and 198 more\n")
}

// TestDoctorKnowsContainers runs the doctor in containers that were started without the flags that the workshop needs.
func TestDoctorKnowsContainers(t *testing.T) {
	needRoot(t)
	for name, c := range map[string]struct{ setup, line, remedy string }{
		"its own cgroup is the root": {`tree=/sys/fs/cgroup
			[ -e $tree/cgroup.controllers ] || tree=$tree/unified
			mkdir $tree/doctor-test
			echo $$ >$tree/doctor-test/cgroup.procs
			unshare --mount --cgroup sh -ec 'mount -t cgroup2 cgroup2 /sys/fs/cgroup; exec "$0"' $DOCTOR || status=$?
			echo $$ >$tree/cgroup.procs
			rmdir $tree/doctor-test
			exit $status`, "FIX   cgroups", "--cgroupns=host"},
		"root is nobody": {`exec setpriv --reuid 65534 unshare --user --map-root-user $DOCTOR`, "FIX   root", "runs as root"},
		"all is on an overlay": {`exec unshare --mount sh -ec '
			mount -t tmpfs tmpfs /mnt
			mkdir /mnt/lower /mnt/upper /mnt/work
			mount -t overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work overlay /var/lib
			exec "$0"' $DOCTOR`, "FIX   storage", "a volume at /var/lib/container-workshop"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			// The user nobody reads this copy.
			require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
			script := "#!/bin/sh -e\nDOCTOR=" + dir + "/scripts/doctor.sh\n" + c.setup
			require.NoError(t, os.WriteFile(filepath.Join(dir, "container"), []byte(script), 0o755))
			shell(t, ".", "mkdir "+dir+"/scripts && cp ../go.mod "+dir+" && cp doctor.sh "+dir+"/scripts")
			doctor := run(t, nil, filepath.Join(dir, "container"))
			assert.Equal(t, 1, doctor.status, doctor.output)
			_, rest, found := strings.Cut(doctor.output, c.line)
			require.True(t, found, doctor.output)
			_, remedy, _ := strings.Cut(rest, " -> ")
			remedy, _, _ = strings.Cut(remedy, "\n")
			assert.Contains(t, remedy, c.remedy)
		})
	}
}

func TestDoctorSeesWhatGoWantsOfGit(t *testing.T) {
	needRoot(t)
	need(t, "git")
	dir := t.TempDir()
	shell(t, ".", "mkdir "+dir+"/scripts && cp ../go.mod "+dir+" && cp doctor.sh "+dir+"/scripts && git init -q "+dir)
	home := "HOME=" + t.TempDir()
	examine := func(env ...string) script { return run(t, append(env, home), filepath.Join(dir, "scripts/doctor.sh")) }
	assert.Regexp(t, `(?m)^ok +git `, examine().output)
	assert.Regexp(t, `(?m)^FIX +git .*\n.*-> sudo apt-get install git$`, examine("PATH="+without(t, "git")).output)

	// As in a folder that a virtual machine or a container shares with its host.
	shell(t, dir, "chown -R 65534 .")
	refused := examine()
	require.Regexp(t, `(?m)^FIX +git .*another user`, refused.output)
	_, remedy, _ := strings.Cut(refused.output, "-> git config")
	remedy, _, _ = strings.Cut(remedy, "\n")
	shell(t, dir, home+" git config"+remedy)
	assert.Regexp(t, `(?m)^ok +git `, examine().output)
}

func TestDoctorSeesCgroupsLeftBehind(t *testing.T) {
	needRoot(t)
	tree := "/sys/fs/cgroup"
	if _, err := os.Stat(filepath.Join(tree, "cgroup.procs")); err != nil {
		tree = "/sys/fs/cgroup/pids"
	}
	for _, count := range []int{1, 3, 40} {
		var dirs []string
		for i := range count {
			// This PID is the highest that the kernel allows, so no process has it. proc_sys_kernel(5)
			dirs = append(dirs, filepath.Join(tree, fmt.Sprint("container-workshop-4194304-", i)))
			require.NoError(t, os.Mkdir(dirs[i], 0o755))
			defer os.Remove(dirs[i])
		}
		doctor := run(t, nil, "doctor.sh")
		assert.Equal(t, 1, doctor.status)
		_, advice, _ := strings.Cut(doctor.output, fmt.Sprintf("FIX   leftovers    cgroups of containers whose run was killed: %d\n", count))
		_, advice, _ = strings.Cut(advice, "-> ")
		advice, _, _ = strings.Cut(advice, "\n")
		assert.Less(t, len(advice), 200, "%d: %s", count, advice)
		exec.Command("sh", "-c", advice).Run()
		for _, dir := range dirs {
			assert.NoDirExists(t, dir, advice)
		}
	}
}

// A host that gives an ordinary user no containers without sudo. The files of the host are mounts that only this doctor sees.
func TestDoctorNotesWhatKeepsAUserFromContainers(t *testing.T) {
	needRoot(t)
	need(t, "unshare")
	const file = "file() { echo \"$2\" >$DIR/f-${1##*/}; mount --bind $DIR/f-${1##*/} $1; }\n"
	for name, c := range map[string]struct{ setup, row, remedy string }{
		"all is well":         {"true", "", ""},
		"not for users":       {"mount -t tmpfs tmpfs /proc/sys/kernel; echo 0 >/proc/sys/kernel/unprivileged_userns_clone", "without sudo only root", "kernel.unprivileged_userns_clone=1"},
		"none at all":         {"file /proc/sys/user/max_user_namespaces 0", "without sudo nobody", "echo user.max_user_namespaces=15000 | sudo tee"},
		"AppArmor":            {"mount -t tmpfs tmpfs /proc/sys/kernel; echo 1 >/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "without sudo AppArmor", `printf 'abi <abi/4.0>,\nprofile final "`},
		"no range":            {"file /etc/subuid bob:500000:65536", "ranges       /etc/subuid gives alice 0 IDs", "sudo usermod --add-subuids 565536-631071 --add-subgids 565536-631071 alice"},
		"few IDs":             {"file /etc/subgid alice:100000:1000", "ranges       /etc/subgid gives alice 1000 IDs", "sudo usermod --add-subuids 165536-231071"},
		"no newuidmap":        {"PATH=" + without(t, "newuidmap"), "newuidmap    newuidmap is missing", "sudo apt-get install uidmap"},
		"no setuid":           {"cp $(command -v newgidmap) $DIR/copy; chmod 755 $DIR/copy; mount --bind $DIR/copy $(command -v newgidmap)", "is not setuid root", "sudo chmod u+s"},
		"nosuid":              {"dir=$(dirname $(command -v newuidmap)); mount --bind $dir $dir; mount -o remount,bind,nosuid $dir", "mounted nosuid", "sudo mount -o remount,suid"},
		"a home over network": {"mkdir $DIR/bin; echo 'case $* in *home*) echo nfs ;; *) exec /usr/bin/stat \"$@\" ;; esac' >$DIR/bin/stat; chmod 755 $DIR/bin/stat; PATH=$DIR/bin:$PATH", "home         /home/alice is on nfs", "export XDG_DATA_HOME=/var/tmp/alice"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			script := "#!/bin/sh -e\n[ -n \"$INSIDE\" ] || INSIDE=1 exec unshare --mount \"$0\"\nDIR=" + dir + "\n" + file + `file /etc/passwd 'alice:x:4321:4321::/home/alice:/bin/sh'
				file /etc/subuid alice:100000:65536
				file /etc/subgid alice:100000:65536
				` + c.setup + "\nexport PATH SUDO_USER=alice\nexec bash " + dir + "/scripts/doctor.sh\n"
			require.NoError(t, os.WriteFile(filepath.Join(dir, "host"), []byte(script), 0o755))
			shell(t, ".", "mkdir "+dir+"/scripts && cp ../go.mod "+dir+" && cp doctor.sh "+dir+"/scripts")
			doctor := run(t, nil, filepath.Join(dir, "host"))
			if c.row == "" {
				assert.NotContains(t, doctor.output, "note")
				assert.Regexp(t, `(?m)^ok +ranges `, doctor.output)
				return
			}
			assert.Equal(t, 1, strings.Count(doctor.output, "\nnote "), doctor.output)
			_, note, _ := strings.Cut(doctor.output, "\nnote ")
			assert.Contains(t, note, c.row)
			_, remedy, _ := strings.Cut(note, " -> ")
			assert.Contains(t, remedy, c.remedy)
		})
	}
}

func TestDoctorNotesLegacyFirewalls(t *testing.T) {
	needRoot(t)
	if _, err := exec.LookPath("iptables-legacy"); err != nil {
		t.Skip("needs iptables-legacy: apt-get install iptables")
	}
	for name, c := range map[string]struct{ rules, note, remedy string }{
		"forward": {"iptables-legacy -P FORWARD DROP", "iptables-legacy drops what this host forwards", "iptables-legacy -I FORWARD -i workshop0"},
		"Docker":  {"iptables-legacy -P FORWARD DROP; iptables-legacy -N DOCKER-USER", "iptables-legacy drops what this host forwards", "iptables-legacy -I DOCKER-USER -i workshop0"},
		"input":   {"ip6tables-legacy -P INPUT DROP", "ip6tables-legacy drops what containers", "ip6tables-legacy -I INPUT -i workshop0 -p udp --dport 53"},
		"allowed": {"iptables-legacy -P FORWARD DROP; iptables-legacy -A FORWARD -i workshop0 -j ACCEPT", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			doctor, err := exec.Command("unshare", "--net", "bash", "-ec", c.rules+`; exec ./doctor.sh "$1"`, "-", sandbox(t)).CombinedOutput()
			require.NoError(t, err, string(doctor))
			assert.Equal(t, c.note != "", strings.Contains(string(doctor), "legacy drops"), string(doctor))
			_, notes, _ := strings.Cut(string(doctor), c.note)
			assert.Contains(t, notes, c.remedy)
		})
	}
}

func TestDoctorNotesFirewallsThatDropThePacketsOfContainers(t *testing.T) {
	needRoot(t)
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("needs nft: apt-get install nftables")
	}
	const forward = "add table ip filter\nadd chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }\n"
	const wall = "add table inet mine\nadd chain inet mine wall { type filter hook input priority 0; policy drop; }\n"
	for name, c := range map[string]struct{ rules, line, remedy string }{
		"nobody":    {"", "ok    firewall", ""},
		"a wall":    {wall, "the chain inet mine wall drops what containers", "nft insert rule inet mine wall iifname workshop0"},
		"ufw wall":  {wall + "add chain inet mine ufw-user-input", "ufw drops what containers", "ufw allow in on workshop0 to any port 53"},
		"INPUT":     {strings.ReplaceAll(wall, "mine wall", "mine INPUT"), "the chain inet mine INPUT drops", "iptables -I INPUT -i workshop0 -p udp --dport 53"},
		"names":     {wall + "add rule inet mine wall udp dport { 53, 67 } accept", "ok    firewall", ""},
		"Docker":    {forward + "add chain ip filter DOCKER-USER", "Docker drops", "iptables -I DOCKER-USER -i workshop0"},
		"ufw":       {forward + "add chain ip filter ufw-user-forward", "ufw drops", "ufw route allow in on workshop0"},
		"firewalld": {"add table inet firewalld", "firewalld drops", "firewall-cmd --zone=trusted"},
		"somebody":  {forward, "the chain ip filter FORWARD drops", "iptables -I FORWARD -i workshop0"},
		"allowed":   {forward + "add rule ip filter FORWARD iifname workshop0 accept", "ok    firewall", ""},
	} {
		t.Run(name, func(t *testing.T) {
			// The rules are those of a network namespace of its own.
			doctor, err := exec.Command("unshare", "--net", "bash", "-c", "nft \"$1\"; exec ./doctor.sh \"$2\"", "-", c.rules, sandbox(t)).CombinedOutput()
			require.NoError(t, err, string(doctor))
			_, notes, found := strings.Cut(string(doctor), c.line)
			require.True(t, found, string(doctor))
			assert.Contains(t, notes, c.remedy)
			if c.remedy == "" {
				assert.NotContains(t, notes, "drops")
			}
		})
	}
}
