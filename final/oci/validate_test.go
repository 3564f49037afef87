//go:build linux

package oci

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// with returns the small configuration with some of it replaced, as text: "process.cwd" is a path, null removes.
func with(t testing.TB, path, value string) string {
	var config map[string]any
	require.NoError(t, json.Unmarshal([]byte(small), &config))
	at := config
	parts := strings.Split(path, ".")
	for _, part := range parts[:len(parts)-1] {
		if _, found := at[part]; !found {
			at[part] = map[string]any{}
		}
		at = at[part].(map[string]any)
	}
	at[parts[len(parts)-1]] = json.RawMessage(value)
	text, err := json.Marshal(config)
	require.NoError(t, err)
	return string(text)
}

// invalid holds what Validate must refuse: a path, a value, and how the error starts.
var invalid = [][3]string{
	{"process", `null`, "process: missing"},
	{"process.args", `null`, "process.args: missing"},
	{"process.args", `[]`, "process.args: missing"},
	{"process.args", `["a\u0000b"]`, "process.args[0]: "},
	{"process.env", `["A=1", "B=\u0000"]`, "process.env[1]: "},
	{"process.cwd", `""`, "process.cwd: "},
	{"process.cwd", `"tmp"`, "process.cwd: "},
	{"process.cwd", `"/\u0000"`, "process.cwd[0]: "},
	{"process.oomScoreAdj", `1001`, "process.oomScoreAdj: "},
	{"process.oomScoreAdj", `-1001`, "process.oomScoreAdj: "},
	{"process.user", `{"uid": 4294967295}`, "process.user.uid: "},
	{"process.user", `{"gid": 4294967295}`, "process.user.gid: "},
	{"process.user", `{"additionalGids": [0, 4294967295]}`, "process.user.additionalGids[1]: "},
	{"process.user", `{"umask": 512}`, "process.user.umask: "},
	{"process.rlimits", `[{"type": "NOFILE"}]`, "process.rlimits[0].type: no limit"},
	{"process.rlimits", `[{"type": "RLIMIT_CPU"}, {"type": "RLIMIT_CPU"}]`, "process.rlimits[1].type: RLIMIT_CPU is there twice"},
	{"process.rlimits", `[{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}]`, "process.rlimits[0].soft: "},
	{"process.apparmorProfile", `"x"`, "process.apparmorProfile: not supported"},
	{"process.selinuxLabel", `"x"`, "process.selinuxLabel: not supported"},
	{"process.scheduler", `{}`, "process.scheduler: not supported"},
	{"process.ioPriority", `{}`, "process.ioPriority: not supported"},
	{"process.execCPUAffinity", `{}`, "process.execCPUAffinity: not supported"},
	{"root", `null`, "root: missing"},
	{"root.path", `""`, "root.path: missing"},
	{"hostname", `"x"`, "hostname: it is the host's"},
	{"domainname", `"x"`, "domainname: it is the host's"},
	{"linux.rootfsPropagation", `"rslave"`, "linux.rootfsPropagation: not supported"},
	{"hooks.prestart", `[{"path": "/x"}]`, "hooks.prestart: not supported"},
	{"hooks.createRuntime", `[{"path": "/x"}]`, "hooks.createRuntime: not supported"},
	{"hooks.createContainer", `[{"path": "/x"}]`, "hooks.createContainer: not supported"},
	{"hooks.startContainer", `[{"path": "/x"}]`, "hooks.startContainer: not supported"},
	{"hooks.poststart", `[{"path": "/x"}]`, "hooks.poststart: not supported"},
	{"hooks.poststop", `[{"path": "/x"}]`, "hooks.poststop: not supported"},
	{"solaris", `{}`, "solaris: not supported"},
	{"windows", `{}`, "windows: not supported"},
	{"vm", `{}`, "vm: not supported"},
	{"zos", `{}`, "zos: not supported"},
	{"freebsd", `{}`, "freebsd: not supported"},
	{"mounts", `[{}]`, "mounts[0].destination: missing"},
	{"mounts", `[{"destination": "/a"}, {"destination": "/b", "type": "bind"}]`, "mounts[1].source: missing"},
	{"mounts", `[{"destination": "/b", "options": ["ro", "rbind"]}]`, "mounts[0].source: missing"},
	{"mounts", `[{"destination": "/b\u0000"}]`, "mounts[0]: want no NUL"},
	{"mounts", `[{"destination": "/b", "uidMappings": [{"size": 1}]}]`, "mounts[0].uidMappings: not supported"},
	{"mounts", `[{"destination": "/b", "gidMappings": [{"size": 1}]}]`, "mounts[0].gidMappings: not supported"},
	{"mounts", `[{"destination": "/b", "options": ["ro", "idmap"]}]`, `mounts[0].options[1]: "idmap" is not supported`},
	{"mounts", `[{"destination": "/b", "options": ["ridmap"]}]`, `mounts[0].options[0]: "ridmap" is not supported`},
	{"linux", `null`, "linux: missing"},
	{"linux.uidMappings", `[{"size": 1}]`, "linux.uidMappings: not supported"},
	{"linux.gidMappings", `[{"size": 1}]`, "linux.gidMappings: not supported"},
	{"linux.timeOffsets", `{"monotonic": {}}`, "linux.timeOffsets: not supported"},
	{"linux.netDevices", `{"eth0": {}}`, "linux.netDevices: not supported"},
	{"linux.mountLabel", `"x"`, "linux.mountLabel: not supported"},
	{"linux.intelRdt", `{}`, "linux.intelRdt: not supported"},
	{"linux.memoryPolicy", `{}`, "linux.memoryPolicy: not supported"},
	{"linux.personality", `{}`, "linux.personality: not supported"},
	{"linux.seccomp.listenerPath", `"/x"`, "linux.seccomp.listenerPath: not supported"},
	{"linux.namespaces", `[{"type": "pid"}, {"type": "user"}]`, `linux.namespaces[1].type: "user" is not supported`},
	{"linux.namespaces", `[{"type": "time"}]`, `linux.namespaces[0].type: "time" is not supported`},
	{"linux.namespaces", `[{"type": "mnt"}]`, `linux.namespaces[0].type: no namespace "mnt"`},
	{"linux.namespaces", `[{}]`, `linux.namespaces[0].type: no namespace ""`},
	{"linux.namespaces", `[{"type": "pid"}, {"type": "ipc"}, {"type": "pid", "path": "/x"}]`, `linux.namespaces[2].type: "pid" is there twice`},
	{"linux.namespaces", `[{"type": "pid", "path": "x"}]`, `linux.namespaces[0].path: "x"`},
	{"linux.maskedPaths", `["/a", "b"]`, `linux.maskedPaths[1]: "b"`},
	{"linux.readonlyPaths", `[""]`, `linux.readonlyPaths[0]: ""`},
	{"linux.readonlyPaths", `["/\u0000"]`, `linux.readonlyPaths[0]: `},
	{"linux.rootfsPropagation", `"priv"`, "linux.rootfsPropagation: "},
	{"linux.devices", `[{"path": "dev/x", "type": "c"}]`, "linux.devices[0].path: "},
	{"linux.devices", `[{"path": "/dev/x", "type": ""}]`, "linux.devices[0].type: "},
	{"linux.devices", `[{"path": "/dev/x", "type": "c", "major": -1}]`, "linux.devices[0]: -1:0"},
	{"linux.devices", `[{"path": "/dev/x", "type": "b", "minor": 4294967296}]`, "linux.devices[0]: 0:4294967296"},
	{"linux.resources.devices", `[{"type": "x"}]`, "linux.resources.devices[0].type: "},
	{"linux.resources.devices", `[{"access": "rwx"}]`, "linux.resources.devices[0].access: "},
	{"linux.sysctl", `{"net.ipv4.ip_forward": "1"}`, `linux.sysctl["net.ipv4.ip_forward"]: it is the host's`},
	{"linux.sysctl", `{"kernel.shmmax": "1"}`, `linux.sysctl["kernel.shmmax"]: it is the host's: the container has no ipc namespace`},
	{"linux.sysctl", `{"kernel.core_pattern": "x"}`, `linux.sysctl["kernel.core_pattern"]: the kernel has one`},
	{"linux.sysctl", `{"kernel/core_pattern": "x"}`, `linux.sysctl["kernel/core_pattern"]: the kernel has one`},
	{"linux.sysctl", `{"net/../kernel/core_pattern": "x"}`, `linux.sysctl["net/../kernel/core_pattern"]: want names`},
}

// valid holds what Validate must accept.
var valid = [][2]string{
	{"process.args", `[""]`},
	{"process.env", `["nonsense"]`},
	{"process.capabilities", `{"bounding": ["CAP_FUTURE"]}`},
	{"process.user", `{"uid": 4294967294, "gid": 4294967294, "additionalGids": [0, 0], "umask": 511, "username": "x"}`},
	{"process.consoleSize", `{"height": 100000, "width": 1}`},
	{"process.rlimits", `[{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}, {"type": "RLIMIT_RTTIME", "hard": 18446744073709551615}]`},
	{"hooks", `{}`},
	{"hooks", `{"prestart": []}`},
	{"annotations", `{"a": "b"}`},
	{"mounts", `[{"destination": "relative", "type": "proc"}, {"destination": "/a", "source": "x", "options": ["bind"]}, {"destination": "/a", "type": "tmpfs"}]`},
	{"linux.namespaces", `[{"type": "mount"}, {"type": "network", "path": "/run/netns/x"}]`},
	{"linux.seccomp", `{"defaultAction": "SCMP_ACT_ALLOW"}`},
	{"linux.devices", `[{"path": "/dev/x", "type": "u"}, {"path": "/dev/p", "type": "p", "major": -1}]`},
	{"linux.resources", `{"devices": [{"allow": false, "access": "rwm"}, {"type": "a"}], "cpu": {"shares": 0}, "blockIO": {"weight": 0}}`},
	{"linux.uidMappings", `[]`},
}

func TestValidate(t *testing.T) {
	for _, c := range invalid {
		spec, err := Load(strings.NewReader(with(t, c[0], c[1])))
		require.NoError(t, err, "%v", c)
		err = Validate(spec)
		require.Error(t, err, "%v", c)
		assert.True(t, strings.HasPrefix(err.Error(), c[2]), "%v: %v", c, err)
		assert.NotContains(t, err.Error(), "\n")
	}
	for _, c := range valid {
		spec, err := Load(strings.NewReader(with(t, c[0], c[1])))
		require.NoError(t, err, "%v", c)
		assert.NoError(t, Validate(spec), "%v", c)
	}
}

func TestValidateTogether(t *testing.T) {
	both := func(parts ...string) error {
		var config map[string]any
		require.NoError(t, json.Unmarshal([]byte(small), &config))
		for _, part := range parts {
			require.NoError(t, json.Unmarshal([]byte(part), &config))
		}
		text, err := json.Marshal(config)
		require.NoError(t, err)
		spec, err := Load(strings.NewReader(string(text)))
		require.NoError(t, err)
		return Validate(spec)
	}
	uts := `{"linux": {"namespaces": [{"type": "uts"}], "sysctl": {"kernel.domainname": "d"}}}`
	assert.NoError(t, both(uts, `{"hostname": "x", "domainname": "y"}`))
	assert.ErrorContains(t, both(uts, `{"hostname": "`+strings.Repeat("x", 65)+`"}`), "64")
	assert.ErrorContains(t, both(uts, `{"domainname": "`+strings.Repeat("x", 65)+`"}`), "64")
	assert.NoError(t, both(`{"linux": {"namespaces": [{"type": "network"}, {"type": "ipc"}], "sysctl": {"net.x": "1", "fs.mqueue.msg_max": "1", "net/ipv4/conf/eth0.1/x": "2"}}}`))
	assert.ErrorContains(t, both(`{"linux": {"namespaces": [{"type": "network"}], "sysctl": {"net.x": "\u0000"}}}`), "NUL")
	assert.ErrorContains(t, both(`{"linux": {"namespaces": [{"type": "uts"}], "sysctl": {"kernel.hostname": "x"}}}`), "hostname")
	size := `{"process": {"terminal": true, "cwd": "/", "args": ["x"], "consoleSize": {"height": %, "width": 1}}}`
	assert.NoError(t, both(strings.Replace(size, "%", "65535", 1)))
	assert.ErrorContains(t, both(strings.Replace(size, "%", "65536", 1)), "process.consoleSize")
}
