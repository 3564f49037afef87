//go:build linux

package flags

import (
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/spec"
)

const (
	testPasswd = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
app:x:1000:1000:,,,:/home/app:/bin/sh
app:x:0:0:second:/root:/bin/sh
short:x:7
letters:x:zero:0::/root:/bin/sh
empty:x::0::/root:/bin/sh
hex:x:0x0:0::/root:/bin/sh
negative:x:-1:0::/root:/bin/sh
last:x:4294967295:0::/root:/bin/sh
large:x:4294967296:0::/root:/bin/sh
badgroup:x:1001:zero::/root:/bin/sh
1234:x:0:0:a name of digits:/root:/bin/sh
-1:x:0:0:a name like a number:/root:/bin/sh
homeless:x:1002:1002:::/bin/sh
+::::::
`
	testGroup = `root:x:0:
daemon:x:1:
app:x:1000:
audio:x:29:app,other
video:x:44:other,app
again:x:44:app
own:x:1000:app
apple:x:45:application
bad:x:zero:app
99:x:0:
-1:x:0:
brief:x:0
:x:46:app
`
)

// files reads /etc/passwd and /etc/group with these contents.
func files(passwd, group string) func(name string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		return []byte(map[string]string{"/etc/passwd": passwd, "/etc/group": group}[name]), nil
	}
}

// openInput opens the files that --env-file names in tests.
func openInput(name string) (io.ReadCloser, error) {
	content, found := map[string]string{
		"vars":   "\ufeff# comment\n\nA=1\r\n  B=two words \nSECRET\nABSENT\nA=3\nQ=\"x\"\nNOVALUE=\n",
		"bad":    "A=1\nB C=2\n",
		"noname": "=1\n",
		"binary": "A=\xff\n",
		"nul":    "A=\x00\n",
		"huge":   strings.Repeat("#", maxEnvFile+1),
	}[name]
	if !found {
		return nil, unix.ENOENT
	}
	return io.NopCloser(strings.NewReader(content)), nil
}

// testHost has a few files, and the variables SECRET and TERM.
func testHost() Host {
	stats := map[string]unix.Stat_t{
		"/home/me/data": {Mode: unix.S_IFDIR | 0o755},
		"/srv/data":     {Mode: unix.S_IFDIR | 0o755},
		"/srv/file":     {Mode: unix.S_IFREG | 0o644},
		"/dev/fuse":     {Mode: unix.S_IFCHR | 0o666, Rdev: unix.Mkdev(10, 229), Gid: 3},
		"/dev/sda":      {Mode: unix.S_IFBLK | 0o660, Rdev: unix.Mkdev(8, 0), Gid: 6},
	}
	variables := map[string]string{"SECRET": "s3cret", "TERM": "vt100", "EMPTY": ""}
	return Host{
		Dir:       "/home/me",
		LookupEnv: func(key string) (string, bool) { value, found := variables[key]; return value, found },
		Rlimit: func(number int) uint64 {
			if number == unix.RLIMIT_MEMLOCK {
				return 1000
			}
			return 1 << 30
		},
		Stat: func(name string) (unix.Stat_t, error) {
			stat, found := stats[name]
			if !found {
				return stat, unix.ENOENT
			}
			return stat, nil
		},
		Read: files(testPasswd, testGroup),
		Etc:  "/run/x/etc",
	}
}

// configure makes the configuration of "final run FLAGS true".
func configure(host Host, flags ...string) (*specs.Spec, error) {
	var o Options
	set := pflag.NewFlagSet("run", pflag.ContinueOnError)
	AddFlags(set, &o)
	if err := set.Parse(append(flags, "true")); err != nil {
		return nil, err
	}
	if o.Name == "" {
		o.Name = "x"
	}
	if err := o.ReadEnvFiles(openInput); err != nil {
		return nil, err
	}
	return MakeSpec(o, set.Args(), host)
}

// configured is configure for flags that must be accepted, also by [spec.Validate].
func configured(t *testing.T, flags ...string) *specs.Spec {
	t.Helper()
	config, err := configure(testHost(), flags...)
	require.NoError(t, err)
	require.NoError(t, spec.Validate(config))
	return config
}
