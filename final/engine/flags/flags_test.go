//go:build linux

package flags

import (
	"math"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/spec"
)

// mount returns the options of the mount on a place, with its type and source in front.
func mount(spec *specs.Spec, destination string) []string {
	for _, m := range spec.Mounts {
		if m.Destination == destination {
			return append([]string{m.Type, m.Source}, m.Options...)
		}
	}
	return nil
}

func destinations(spec *specs.Spec) []string {
	var list []string
	for _, m := range spec.Mounts {
		list = append(list, m.Destination)
	}
	return list
}

// fields holds what flags change in the configuration.
var fields = map[string]struct {
	want any
	of   func(*specs.Spec) any
}{
	"--name a.b":      {"/container-workshop-a.b", func(s *specs.Spec) any { return s.Linux.CgroupsPath }},
	"--hostname box":  {"box", func(s *specs.Spec) any { return s.Hostname }},
	"--hostname box2": {"HOSTNAME=box2", func(s *specs.Spec) any { return s.Process.Env[1] }},
	"--rootfs /r/":    {"/r", func(s *specs.Spec) any { return s.Root.Path }},
	"--rootfs r":      {"/home/me/r", func(s *specs.Spec) any { return s.Root.Path }},
	"--read-only":     {true, func(s *specs.Spec) any { return s.Root.Readonly }},
	"-w /a/../b":      {"/b", func(s *specs.Spec) any { return s.Process.Cwd }},
	"--workdir /b":    {"/b", func(s *specs.Spec) any { return s.Process.Cwd }},
	"-t":              {true, func(s *specs.Spec) any { return s.Process.Terminal }},
	"--tty -d":        {true, func(s *specs.Spec) any { return s.Process.Terminal }},
	"--tty=false":     {false, func(s *specs.Spec) any { return s.Process.Terminal }},

	"--env A=1 -e A=2 -e B=":        {[]string{"A=2", "B="}, func(s *specs.Spec) any { return s.Process.Env[3:] }},
	"-e SECRET -e ABSENT -e EMPTY":  {[]string{"SECRET=s3cret", "EMPTY="}, func(s *specs.Spec) any { return s.Process.Env[3:] }},
	"-e PATH=/bin":                  {"PATH=/bin", func(s *specs.Spec) any { return s.Process.Env[0] }},
	"-e ABSENT":                     {3, func(s *specs.Spec) any { return len(s.Process.Env) }},
	"--env-file vars":               {[]string{"A=3", "B=two words ", "SECRET=s3cret", `Q="x"`, "NOVALUE="}, func(s *specs.Spec) any { return s.Process.Env[3:] }},
	"-e B=b --env-file vars -e A=a": {[]string{"A=a", "B=b"}, func(s *specs.Spec) any { return s.Process.Env[3:5] }},

	"-u app":     {"HOME=/home/app", func(s *specs.Spec) any { return s.Process.Env[2] }},
	"--user app": {specs.User{UID: 1000, GID: 1000, AdditionalGids: []uint32{29, 44}}, func(s *specs.Spec) any { return s.Process.User }},
	"--user 5:6": {specs.User{UID: 5, GID: 6}, func(s *specs.Spec) any { return s.Process.User }},

	"-v ./data:/d":                    {[]string{"bind", "/home/me/data", "rbind", "rprivate"}, func(s *specs.Spec) any { return mount(s, "/d") }},
	"--volume /srv/data:/a/../d:ro":   {[]string{"bind", "/srv/data", "rbind", "rprivate", "rro"}, func(s *specs.Spec) any { return mount(s, "/d") }},
	"-v /srv/file:/f:rw":              {[]string{"bind", "/srv/file", "rbind", "rprivate"}, func(s *specs.Spec) any { return mount(s, "/f") }},
	"-v /srv/file:/etc/hosts":         {[]string{"bind", "/srv/file", "rbind", "rprivate"}, func(s *specs.Spec) any { return mount(s, "/etc/hosts") }},
	"-v /srv/data:/etc":               {[]string(nil), func(s *specs.Spec) any { return mount(s, "/etc/hosts") }},
	"-v /srv/data:/mytemp":            {[]string{"bind", "/srv/data", "rbind", "rprivate"}, func(s *specs.Spec) any { return mount(s, "/mytemp") }},
	"-v /srv/data:/dev/shm":           {[]string{"bind", "/srv/data", "rbind", "rprivate"}, func(s *specs.Spec) any { return mount(s, "/dev/shm") }},
	"--tmpfs /t":                      {[]string{"tmpfs", "tmpfs", "nosuid", "nodev", "size=16m", "mode=1777"}, func(s *specs.Spec) any { return mount(s, "/t") }},
	"--tmpfs /t2":                     {[]string(nil), func(s *specs.Spec) any { return mount(s, "/mytemp") }},
	"--tmpfs /t:size=1.5k,mode=700":   {[]string{"tmpfs", "tmpfs", "nosuid", "nodev", "size=1536", "mode=700"}, func(s *specs.Spec) any { return mount(s, "/t") }},
	"--tmpfs /t:suid,dev,noexec,ro":   {[]string{"tmpfs", "tmpfs", "size=16m", "mode=1777", "suid", "dev", "noexec", "ro"}, func(s *specs.Spec) any { return mount(s, "/t") }},
	"--tmpfs /t:uid=1,gid=2,uid=3,ro": {[]string{"tmpfs", "tmpfs", "nosuid", "nodev", "size=16m", "mode=1777", "gid=2", "uid=3", "ro"}, func(s *specs.Spec) any { return mount(s, "/t") }},
	"--tmpfs /t:nr_inodes=9,nosuid":   {[]string{"tmpfs", "tmpfs", "nodev", "size=16m", "mode=1777", "nr_inodes=9", "nosuid"}, func(s *specs.Spec) any { return mount(s, "/t") }},
	"--read-only --tty=0":             {[]string{"bind", "/run/x/etc/hosts", "bind", "rprivate", "nosuid", "nodev", "noexec", "ro"}, func(s *specs.Spec) any { return mount(s, "/etc/hosts") }},

	"--device /dev/fuse":             {[]specs.LinuxDevice{{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, FileMode: new(os.FileMode(0o666)), UID: new(uint32(0)), GID: new(uint32(3))}}, func(s *specs.Spec) any { return s.Linux.Devices }},
	"--device /dev/sda:/dev/x:r":     {[]specs.LinuxDevice{{Path: "/dev/x", Type: "b", Major: 8, Minor: 0, FileMode: new(os.FileMode(0o660)), UID: new(uint32(0)), GID: new(uint32(6))}}, func(s *specs.Spec) any { return s.Linux.Devices }},
	"--device /dev/sda:rw":           {"rw", func(s *specs.Spec) any { return last(s.Linux.Resources.Devices).Access }},
	"--device /dev/sda:/dev/fuse:wm": {"b 8 0 wm true", func(s *specs.Spec) any { return rule(last(s.Linux.Resources.Devices)) }},

	"-m 1g":                              {int64(1 << 30), func(s *specs.Spec) any { return *s.Linux.Resources.Memory.Limit }},
	"--memory 4k":                        {int64(4096), func(s *specs.Spec) any { return *s.Linux.Resources.Memory.Limit }},
	"--memory 512k":                      {int64(512 << 10), func(s *specs.Spec) any { return *s.Linux.Resources.Memory.Limit }},
	"--memory 48m":                       {int64(48 << 20), func(s *specs.Spec) any { return *s.Linux.Resources.Memory.Swap }},
	"--memory-swap -1":                   {int64(-1), func(s *specs.Spec) any { return *s.Linux.Resources.Memory.Swap }},
	"--memory-swap 64m":                  {int64(64 << 20), func(s *specs.Spec) any { return *s.Linux.Resources.Memory.Swap }},
	"--memory-swap 65m":                  {int64(65 << 20), func(s *specs.Spec) any { return *s.Linux.Resources.Memory.Swap }},
	"--memory-reservation 64m":           {int64(64 << 20), func(s *specs.Spec) any { return *s.Linux.Resources.Memory.Reservation }},
	"--pids 1":                           {int64(1), func(s *specs.Spec) any { return *s.Linux.Resources.Pids.Limit }},
	"--pids-limit 4194304":               {int64(4194304), func(s *specs.Spec) any { return *s.Linux.Resources.Pids.Limit }},
	"--pids 3 --pids-limit 2":            {int64(2), func(s *specs.Spec) any { return *s.Linux.Resources.Pids.Limit }},
	"--cpus 0.29":                        {int64(29_000), func(s *specs.Spec) any { return *s.Linux.Resources.CPU.Quota }},
	"--cpus 1000000":                     {int64(1e11), func(s *specs.Spec) any { return *s.Linux.Resources.CPU.Quota }},
	"--tmpfs /t:mode=7777":               {"mode=7777", func(s *specs.Spec) any { return last(mount(s, "/t")) }},
	"--cpus .01":                         {int64(1000), func(s *specs.Spec) any { return *s.Linux.Resources.CPU.Quota }},
	"--cpu-shares 2":                     {uint64(2), func(s *specs.Spec) any { return *s.Linux.Resources.CPU.Shares }},
	"--cpuset-cpus 0-3,5":                {"0-3,5", func(s *specs.Spec) any { return s.Linux.Resources.CPU.Cpus }},
	"--cpuset-mems 0":                    {"0", func(s *specs.Spec) any { return s.Linux.Resources.CPU.Mems }},
	"--oom-score-adj -1000":              {-1000, func(s *specs.Spec) any { return *s.Process.OOMScoreAdj }},
	"--ulimit nofile=5 --ulimit cpu=0":   {[]specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 5, Hard: 5}, {Type: "RLIMIT_CPU"}}, func(s *specs.Spec) any { return s.Process.Rlimits[4:] }},
	"--ulimit core=5 --ulimit core=6:-1": {[]specs.POSIXRlimit{{Type: "RLIMIT_CORE", Soft: 6, Hard: math.MaxUint64}}, func(s *specs.Spec) any { return s.Process.Rlimits[4:] }},
	"--ulimit sigpending=9":              {specs.POSIXRlimit{Type: "RLIMIT_SIGPENDING", Soft: 9, Hard: 9}, func(s *specs.Spec) any { return last(s.Process.Rlimits) }},
	"--ulimit rtprio=9":                  {specs.POSIXRlimit{Type: "RLIMIT_RTPRIO", Soft: 9, Hard: 9}, func(s *specs.Spec) any { return last(s.Process.Rlimits) }},
	"--ulimit memlock=9 --cpus 1":        {4, func(s *specs.Spec) any { return len(s.Process.Rlimits) }},
	"--privileged --ulimit core=0":       {[]specs.POSIXRlimit{{Type: "RLIMIT_CORE"}}, func(s *specs.Spec) any { return s.Process.Rlimits }},
	"--pids 9 --cpus 2":                  {"max=9", func(s *specs.Spec) any { return last(mount(s, "/dev/pts")) }},
	"--pids 4194304":                     {"max=1048576", func(s *specs.Spec) any { return last(mount(s, "/dev/pts")) }},

	"--network none": {true, func(s *specs.Spec) any { return spec.HasNamespace(s.Linux.Namespaces, specs.NetworkNamespace) }},
	"--network host": {false, func(s *specs.Spec) any { return spec.HasNamespace(s.Linux.Namespaces, specs.NetworkNamespace) }},

	"--sysctl net.ipv4.ip_forward=1":         {map[string]string{"net.ipv4.ip_forward": "1"}, func(s *specs.Spec) any { return s.Linux.Sysctl }},
	"--sysctl net/ipv4/conf/a.b/x=1=2":       {map[string]string{"net.ipv4.conf.a/b.x": "1=2"}, func(s *specs.Spec) any { return s.Linux.Sysctl }},
	"--sysctl kernel.sem=1 --network host":   {map[string]string{"kernel.sem": "1"}, func(s *specs.Spec) any { return s.Linux.Sysctl }},
	"--sysctl kernel.domainname=d":           {map[string]string{"kernel.domainname": "d"}, func(s *specs.Spec) any { return s.Linux.Sysctl }},
	"--security-opt no-new-privileges=false": {false, func(s *specs.Spec) any { return s.Process.NoNewPrivileges }},
	"--security-opt no-new-privileges:false": {false, func(s *specs.Spec) any { return s.Process.NoNewPrivileges }},
	"--security-opt no-new-privileges":       {true, func(s *specs.Spec) any { return s.Process.NoNewPrivileges }},
}

func TestEveryFlagIsAField(t *testing.T) {
	for flags, field := range fields {
		t.Run(flags, func(t *testing.T) {
			assert.Equal(t, field.want, field.of(configured(t, strings.Fields(flags)...)))
		})
	}
}

func TestDefaults(t *testing.T) {
	config := configured(t)
	assert.Equal(t, specs.Version, config.Version)
	assert.Equal(t, &specs.Root{Path: "/var/lib/container-workshop/rootfs"}, config.Root)
	assert.Equal(t, "container", config.Hostname)
	assert.Equal(t, []string{"true"}, config.Process.Args)
	assert.Equal(t, []string{spec.DefaultPath, "HOSTNAME=container", "HOME=/root"}, config.Process.Env, "and nothing of the caller's")
	assert.Equal(t, specs.User{}, config.Process.User)
	assert.Equal(t, "/", config.Process.Cwd)
	assert.True(t, config.Process.NoNewPrivileges)
	assert.False(t, config.Process.Terminal)
	assert.Equal(t, []specs.POSIXRlimit{
		{Type: "RLIMIT_SIGPENDING", Soft: 4096, Hard: 4096}, {Type: "RLIMIT_MSGQUEUE", Soft: 400 << 10, Hard: 400 << 10}, {Type: "RLIMIT_MEMLOCK", Soft: 500, Hard: 500},
		{Type: "RLIMIT_RTPRIO"},
	}, config.Process.Rlimits, "half of the caller's at most, and no real-time priority")
	assert.Empty(t, config.Annotations)
	assert.Equal(t, []string{
		"/proc", "/dev", "/dev/pts", "/sys", "/sys/fs/cgroup", "/dev/mqueue", "/dev/shm",
		"/mytemp", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf",
	}, destinations(config))
	assert.Contains(t, mount(config, "/sys"), "ro")
	assert.Contains(t, mount(config, "/sys/fs/cgroup"), "ro")
	assert.Equal(t, []string{"tmpfs", "tmpfs", "nosuid", "nodev", "size=16m", "mode=1777"}, mount(config, "/mytemp"))
	assert.Len(t, config.Linux.Namespaces, 6)
	assert.Contains(t, config.Linux.MaskedPaths, "/proc/kcore")
	assert.Contains(t, config.Linux.ReadonlyPaths, "/proc/sys")
	assert.Equal(t, int64(64<<20), *config.Linux.Resources.Memory.Limit)
	assert.Equal(t, int64(64<<20), *config.Linux.Resources.Memory.Swap)
	assert.Nil(t, config.Linux.Resources.Memory.Reservation)
	assert.Equal(t, int64(100_000), *config.Linux.Resources.CPU.Quota)
	assert.Equal(t, uint64(100_000), *config.Linux.Resources.CPU.Period)
	assert.Nil(t, config.Linux.Resources.CPU.Shares)
	assert.Equal(t, int64(64), *config.Linux.Resources.Pids.Limit)
	assert.Nil(t, config.Linux.Seccomp)
}

// What the table says of the defaults is what they are.
func TestDefaultsOfTheTable(t *testing.T) {
	var o Options
	AddFlags(pflag.NewFlagSet("run", pflag.ContinueOnError), &o)
	want := Defaults()
	want.Mounts = []specs.Mount{defaultTmpfs()}
	for _, f := range flags(&o) {
		if f.value != "" {
			require.NoError(t, f.Set(f.value), f.name)
		}
	}
	assert.Equal(t, want, o)
}

// These say what run does, and are in no configuration.
func TestFlagsOfRunItself(t *testing.T) {
	var o Options
	set := pflag.NewFlagSet("run", pflag.ContinueOnError)
	AddFlags(set, &o)
	require.NoError(t, set.Parse([]string{"-d", "--rm", "-i", "--explain", "--security-opt", "seccomp=p.json", "sh", "-d", "--nonsense"}))
	assert.True(t, o.Detach && o.Remove && o.Interactive && o.Explain)
	assert.Equal(t, "p.json", o.Seccomp)
	assert.Nil(t, o.TTY)
	assert.Equal(t, []string{"sh", "-d", "--nonsense"}, set.Args(), "flags end at the command")
}

func TestHostnameOf64Bytes(t *testing.T) {
	long := strings.Repeat("x", 64)
	assert.Equal(t, long, configured(t, "--hostname", long).Hostname)
}

func TestUnconfined(t *testing.T) {
	for _, c := range []struct {
		seccomp          string
		privileged, want bool
	}{{"", false, false}, {"unconfined", false, true}, {"p.json", false, false}, {"", true, true}, {"p.json", true, false}, {"unconfined", true, true}} {
		assert.Equal(t, c.want, (&Options{Seccomp: c.seccomp, Privileged: c.privileged}).Unconfined(), "%v", c)
	}
}

func TestUsage(t *testing.T) {
	var text strings.Builder
	Usage(&text)
	for _, line := range strings.Split(text.String(), "\n") {
		assert.LessOrEqual(t, utf8.RuneCountInString(line), 80, line)
	}
	for _, part := range []string{"run [flags] COMMAND", "\n  -m, --memory SIZE   ", "\n      --pids, --pids-limit N   ", "\n      --init   ", " (default 64m)\n", "\n                                (default /var/lib"} {
		assert.Contains(t, text.String(), part)
	}

	var o Options
	set := pflag.NewFlagSet("run", pflag.ContinueOnError)
	AddFlags(set, &o)
	names := 0
	set.VisitAll(func(f *pflag.Flag) {
		names++
		lines := strings.Count(text.String(), "--"+f.Name+" ") + strings.Count(text.String(), "--"+f.Name+",") + strings.Count(text.String(), "--"+f.Name+"\n")
		assert.Equal(t, 1, lines, "--%s is in the usage once", f.Name)
	})
	groups := 0
	for i, f := range flags(&o) {
		names--
		if f.alias != "" {
			names--
		}
		assert.NotEmpty(t, f.about, f.name)
		if i == 0 || flags(&o)[i-1].group != f.group {
			groups++
			assert.Equal(t, 1, strings.Count(text.String(), "\n"+f.group+":\n"), "group %s", f.group)
		}
	}
	assert.Zero(t, names, "every flag is in the table")
	assert.Equal(t, 7, groups)
}
