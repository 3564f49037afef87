//go:build linux

package spec

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
	{"process.rlimits", `[{"type": "NOFILE"}]`, "process.rlimits[0].type: unknown limit"},
	{"process.rlimits", `[{"type": "RLIMIT_CPU"}, {"type": "RLIMIT_CPU"}]`, "process.rlimits[1].type: RLIMIT_CPU appears twice"},
	{"process.rlimits", `[{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}]`, "process.rlimits[0].soft: "},
	{"process.apparmorProfile", `"a\nb"`, "process.apparmorProfile: "},
	{"process.selinuxLabel", `"a\u0000"`, "process.selinuxLabel: "},
	{"process.scheduler", `{}`, `process.scheduler.policy: unknown policy ""`},
	{"process.scheduler", `{"policy": "FIFO"}`, `process.scheduler.policy: unknown policy "FIFO"`},
	{"process.scheduler", `{"policy": "SCHED_OTHER", "nice": 20}`, "process.scheduler.nice: 20: must be from -20 to 19"},
	{"process.scheduler", `{"policy": "SCHED_BATCH", "nice": -21}`, "process.scheduler.nice: -21"},
	{"process.scheduler", `{"policy": "SCHED_OTHER", "priority": 1}`, "process.scheduler.priority: 1: must be 0 for SCHED_OTHER"},
	{"process.scheduler", `{"policy": "SCHED_RR"}`, "process.scheduler.priority: 0: must be from 1 to 99 for SCHED_RR"},
	{"process.scheduler", `{"policy": "SCHED_FIFO", "priority": 100}`, "process.scheduler.priority: 100: must be from 0 to 99"},
	{"process.scheduler", `{"policy": "SCHED_FIFO", "priority": -1}`, "process.scheduler.priority: -1: must be from 0 to 99"},
	{"process.scheduler", `{"policy": "SCHED_IDLE", "runtime": 1}`, "process.scheduler: runtime, deadline and period"},
	{"process.scheduler", `{"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_RECLAIM", "RECLAIM"]}`, `process.scheduler.flags[1]: unknown flag "RECLAIM"`},
	{"process.ioPriority", `{}`, `process.ioPriority.class: unknown class ""`},
	{"process.ioPriority", `{"class": "RT"}`, `process.ioPriority.class: unknown class "RT"`},
	{"process.ioPriority", `{"class": "IOPRIO_CLASS_BE", "priority": 8}`, "process.ioPriority.priority: 8: must be from 0 to 7"},
	{"process.ioPriority", `{"class": "IOPRIO_CLASS_BE", "priority": -1}`, "process.ioPriority.priority: -1"},
	{"process.execCPUAffinity", `{"initial": "x"}`, `process.execCPUAffinity.initial: "x"`},
	{"process.execCPUAffinity", `{"initial": "0", "final": "3-1"}`, `process.execCPUAffinity.final: "3-1"`},
	{"root", `null`, "root: missing: name the root file system in root.path"},
	{"root.path", `"a\u0000"`, "root.path: "},
	{"root.path", `""`, "root.path: missing"},
	{"hostname", `"x"`, "hostname: this name is the host's"},
	{"domainname", `"x"`, "domainname: this name is the host's"},
	{"hooks.prestart", `[{"path": "/x"}, {"path": "x"}]`, `hooks.prestart[1].path: "x": must be an absolute path`},
	{"hooks.createRuntime", `[{}]`, `hooks.createRuntime[0].path: ""`},
	{"hooks.createContainer", `[{"path": "/x\u0000"}]`, "hooks.createContainer[0].path: "},
	{"hooks.startContainer", `[{"path": "/x", "timeout": 0}]`, "hooks.startContainer[0].timeout: 0: must be a number of seconds above 0"},
	{"hooks.poststart", `[{"path": "/x", "timeout": -1}]`, "hooks.poststart[0].timeout: -1"},
	{"hooks.poststop", `[{"path": "/x", "args": ["x", "\u0000"]}]`, "hooks.poststop[0].args[1]: "},
	{"hooks.poststop", `[{"path": "/x", "env": ["A=\u0000"]}]`, "hooks.poststop[0].env[0]: "},
	{"solaris", `{}`, "solaris: not supported"},
	{"windows", `{}`, "windows: not supported"},
	{"vm", `{}`, "vm: not supported"},
	{"zos", `{}`, "zos: not supported"},
	{"freebsd", `{}`, "freebsd: not supported"},
	{"mounts", `[{}]`, "mounts[0].destination: missing"},
	{"mounts", `[{"destination": "/a"}, {"destination": "/b", "type": "bind"}]`, "mounts[1].source: missing"},
	{"mounts", `[{"destination": "/b", "options": ["ro", "rbind"]}]`, "mounts[0].source: missing"},
	{"mounts", `[{"destination": "/b\u0000"}]`, "mounts[0]: must not contain NUL"},
	{"mounts", `[{"destination": "/b", "type": "tmpfs", "options": ["ro", "idmap"]}]`, `mounts[0].options[1]: "idmap" is not supported on type "tmpfs": use a bind mount`},
	{"mounts", `[{"destination": "/b", "type": "proc", "options": ["ridmap"]}]`, `mounts[0].options[0]: "ridmap" is not supported on type "proc"`},
	{"mounts", `[{"destination": "/b", "type": "tmpfs", "uidMappings": [{"size": 1}], "gidMappings": [{"size": 1}]}]`, "mounts[0]: uidMappings and gidMappings are not supported on type"},
	{"mounts", `[{"destination": "/b", "source": "/", "options": ["bind", "idmap"]}]`, `mounts[0].options[1]: "idmap": needs uidMappings and gidMappings, or a user namespace`},
	{"mounts", `[{"destination": "/b", "source": "/", "type": "bind", "uidMappings": [{"size": 1}]}]`, "mounts[0].gidMappings: missing"},
	{"mounts", `[{"destination": "/b", "source": "/", "type": "bind", "gidMappings": [{"size": 1}]}]`, "mounts[0].uidMappings: missing"},
	{"mounts", `[{"destination": "/b", "source": "/", "type": "bind", "uidMappings": [{"size": 1}], "gidMappings": [{"size": 0}]}]`, "mounts[0].gidMappings[0].size: "},
	{"mounts", `[{"destination": "/b", "source": "/", "type": "bind", "uidMappings": [{"size": 2}, {"containerID": 1, "hostID": 5, "size": 1}], "gidMappings": [{"size": 1}]}]`, "mounts[0].uidMappings[1]: overlaps with mounts[0].uidMappings[0]"},
	{"linux", `null`, "linux: missing: final makes Linux containers only"},
	{"linux.uidMappings", `[{"size": 1}]`, "linux.uidMappings: the container uses the host's IDs"},
	{"linux.gidMappings", `[{"size": 1}]`, "linux.gidMappings: the container uses the host's IDs"},
	{"linux.namespaces", `[{"type": "mount"}, {"type": "user"}]`, "linux.uidMappings: missing"},
	{"linux.timeOffsets", `{"monotonic": {}}`, "linux.timeOffsets: need a new time namespace"},
	{"linux.mountLabel", `"x\"y"`, "linux.mountLabel: "},
	{"linux.mountLabel", `"x\ny"`, "linux.mountLabel: "},
	{"linux.personality", `{}`, `linux.personality.domain: "": must be LINUX or LINUX32`},
	{"linux.personality", `{"domain": "PER_LINUX"}`, "linux.personality.domain: "},
	{"linux.personality", `{"domain": "LINUX", "flags": ["READ_IMPLIES_EXEC"]}`, "linux.personality.flags[0]: "},
	{"linux.seccomp", `{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "x"}`, "linux.seccomp.listenerPath: "},
	{"linux.seccomp", `{"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"}`, "linux.seccomp.listenerMetadata: "},
	{"linux.netDevices", `{"eth0": {}}`, "linux.netDevices: the container uses the host's network: add a network namespace to linux.namespaces"},
	{"linux.intelRdt", `{}`, "linux.intelRdt: not supported"},
	{"linux.memoryPolicy", `{}`, `linux.memoryPolicy.mode: "": invalid memory policy mode: must be one of MPOL_DEFAULT, MPOL_BIND, `},
	{"linux.memoryPolicy", `{"mode": "INTERLEAVE", "nodes": "0"}`, `linux.memoryPolicy.mode: "INTERLEAVE": invalid memory policy mode: `},
	{"linux.memoryPolicy", `{"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES", "x"]}`, `linux.memoryPolicy.flags[1]: "x": invalid memory policy flag: `},
	{"linux.memoryPolicy", `{"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]}`, `linux.memoryPolicy.flags: MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other`},
	{"linux.memoryPolicy", `{"mode": "MPOL_DEFAULT", "nodes": "0-7"}`, `linux.memoryPolicy.nodes: "0-7": this memory policy mode requires 0 nodes but got 8`},
	{"linux.memoryPolicy", `{"mode": "MPOL_LOCAL", "nodes": "5,5"}`, `linux.memoryPolicy.nodes: "5,5": this memory policy mode requires 0 nodes but got 1`},
	{"linux.memoryPolicy", `{"mode": "MPOL_BIND"}`, "linux.memoryPolicy.nodes: missing: MPOL_BIND needs at least one node"},
	{"linux.memoryPolicy", `{"mode": "MPOL_INTERLEAVE", "nodes": ""}`, "linux.memoryPolicy.nodes: missing: "},
	{"linux.memoryPolicy", `{"mode": "MPOL_WEIGHTED_INTERLEAVE"}`, "linux.memoryPolicy.nodes: missing: "},
	{"linux.memoryPolicy", `{"mode": "MPOL_PREFERRED_MANY"}`, "linux.memoryPolicy.nodes: missing: "},
	{"linux.memoryPolicy", `{"mode": "MPOL_BIND", "nodes": "0-9876543210"}`, `linux.memoryPolicy.nodes: "0-9876543210": invalid memory policy nodes: must be numbers below 1024`},
	{"linux.memoryPolicy", `{"mode": "MPOL_BIND", "nodes": "0,1024"}`, `linux.memoryPolicy.nodes: "1024": `},
	{"linux.memoryPolicy", `{"mode": "MPOL_BIND", "nodes": "3-1"}`, `linux.memoryPolicy.nodes: "3-1": `},
	{"linux.memoryPolicy", `{"mode": "MPOL_BIND", "nodes": "0,"}`, `linux.memoryPolicy.nodes: "": `},
	{"linux.memoryPolicy", `{"mode": "MPOL_BIND", "nodes": "-1"}`, `linux.memoryPolicy.nodes: "-1": `},
	{"linux.memoryPolicy", `{"mode": "MPOL_BIND", "nodes": "99999999999999999999999"}`, "linux.memoryPolicy.nodes: "},
	{"linux.namespaces", `[{"type": "mnt"}]`, `linux.namespaces[0].type: unknown namespace "mnt"`},
	{"linux.namespaces", `[{}]`, `linux.namespaces[0].type: unknown namespace ""`},
	{"linux.namespaces", `[{"type": "pid"}, {"type": "ipc"}, {"type": "pid", "path": "/x"}]`, `linux.namespaces[2].type: "pid" appears twice`},
	{"linux.namespaces", `[{"type": "pid", "path": "x"}]`, `linux.namespaces[0].path: "x"`},
	{"linux.namespaces", `[{"type": "pid", "path": "/\u0000"}]`, `linux.namespaces[0].path: `},
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
	{"linux.sysctl", `{"net.ipv4.ip_forward": "1"}`, `linux.sysctl["net.ipv4.ip_forward"]: this setting is the host's`},
	{"linux.sysctl", `{"kernel.shmmax": "1"}`, `linux.sysctl["kernel.shmmax"]: this setting is the host's: the container has no ipc namespace`},
	{"linux.sysctl", `{"kernel.core_pattern": "x"}`, `linux.sysctl["kernel.core_pattern"]: the host and all containers share this setting`},
	{"linux.sysctl", `{"kernel/core_pattern": "x"}`, `linux.sysctl["kernel/core_pattern"]: the host and all containers share this setting`},
	{"linux.sysctl", `{"net/../kernel/core_pattern": "x"}`, `linux.sysctl["net/../kernel/core_pattern"]: must be names`},
}

// valid holds what Validate must accept.
var valid = [][2]string{
	{"process.args", `[""]`},
	{"process.env", `["nonsense"]`},
	{"process.capabilities", `{"bounding": ["CAP_FUTURE"]}`},
	{"process.user", `{"uid": 4294967294, "gid": 4294967294, "additionalGids": [0, 0], "umask": 511, "username": "x"}`},
	{"process.consoleSize", `{"height": 100000, "width": 1}`},
	{"process.rlimits", `[{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}, {"type": "RLIMIT_RTTIME", "hard": 18446744073709551615}]`},
	{"process.apparmorProfile", `"docker-default"`},
	{"process.selinuxLabel", `"system_u:system_r:container_t:s0:c1,c2"`},
	{"process.scheduler", `{"policy": "SCHED_OTHER", "nice": -20, "flags": ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_UTIL_CLAMP_MAX"]}`},
	{"process.scheduler", `{"policy": "SCHED_FIFO", "priority": 99}`},
	{"process.scheduler", `{"policy": "SCHED_ISO", "nice": 19}`},
	{"process.scheduler", `{"policy": "SCHED_DEADLINE", "runtime": 1, "deadline": 2, "period": 3}`},
	{"process.ioPriority", `{"class": "IOPRIO_CLASS_IDLE", "priority": 7}`},
	{"process.execCPUAffinity", `{"initial": "0-3,7"}`},
	{"process.execCPUAffinity", `{}`},
	{"hooks.prestart", `[{"path": "/x", "args": ["x", ""], "env": ["A=1", "nonsense"], "timeout": 1}, {"path": "/y"}]`},
	{"hooks.poststop", `[{"path": "/x"}]`},
	{"hooks", `{}`},
	{"hooks", `{"prestart": []}`},
	{"annotations", `{"a": "b"}`},
	{"mounts", `[{"destination": "relative", "type": "proc"}, {"destination": "/a", "source": "x", "options": ["bind"]}, {"destination": "/a", "type": "tmpfs"}]`},
	{"linux.namespaces", `[{"type": "mount"}, {"type": "network", "path": "/run/netns/x"}]`},
	{"linux.seccomp", `{"defaultAction": "SCMP_ACT_ALLOW"}`},
	{"linux.devices", `[{"path": "/dev/x", "type": "u"}, {"path": "/dev/p", "type": "p", "major": -1}]`},
	{"linux.resources", `{"devices": [{"allow": false, "access": "rwm"}, {"type": "a"}], "cpu": {"shares": 0}, "blockIO": {"weight": 0}}`},
	{"linux.uidMappings", `[]`},
	{"linux.timeOffsets", `{}`},
	{"linux.netDevices", `{}`},
	{"linux.memoryPolicy", `{"mode": "MPOL_DEFAULT"}`},
	{"linux.memoryPolicy", `{"mode": "MPOL_LOCAL", "nodes": ""}`},
	{"linux.memoryPolicy", `{"mode": "MPOL_PREFERRED", "flags": ["MPOL_F_STATIC_NODES"]}`},
	{"linux.memoryPolicy", `{"mode": "MPOL_PREFERRED_MANY", "nodes": "0-3, 7,1023", "flags": ["MPOL_F_RELATIVE_NODES", "MPOL_F_NUMA_BALANCING"]}`},
	{"linux.namespaces", `[{"type": "mount", "path": "/proc/1/ns/mnt"}, {"type": "user", "path": "/proc/1/ns/user"}, {"type": "time", "path": "/proc/1/ns/time"}]`},
	{"linux.rootfsPropagation", `"rslave"`},
	{"linux.mountLabel", `"system_u:object_r:svirt_sandbox_file_t:s0:c715,c811"`},
	{"linux.personality", `{"domain": "LINUX32"}`},
	{"linux.seccomp", `{"defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/run/x", "listenerMetadata": "x"}`},
	{"mounts", `[{"destination": "/b", "source": "/", "type": "none", "options": ["rbind", "ridmap"], "uidMappings": [{"containerID": 1, "hostID": 9, "size": 1}], "gidMappings": [{"size": 1}]}]`},
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
	uts := `{"linux": {"namespaces": [{"type": "mount"}, {"type": "uts"}], "sysctl": {"kernel.domainname": "d"}}}`
	assert.NoError(t, both(uts, `{"hostname": "x", "domainname": "y"}`))
	assert.ErrorContains(t, both(uts, `{"hostname": "`+strings.Repeat("x", 65)+`"}`), "64")
	assert.ErrorContains(t, both(uts, `{"domainname": "`+strings.Repeat("x", 65)+`"}`), "64")
	assert.NoError(t, both(`{"linux": {"namespaces": [{"type": "mount"}, {"type": "network"}, {"type": "ipc"}], "sysctl": {"net.x": "1", "fs.mqueue.msg_max": "1", "net/ipv4/conf/eth0.1/x": "2"}}}`))
	assert.ErrorContains(t, both(`{"linux": {"namespaces": [{"type": "mount"}, {"type": "network"}], "sysctl": {"net.x": "\u0000"}}}`), "NUL")
	assert.ErrorContains(t, both(`{"linux": {"namespaces": [{"type": "mount"}, {"type": "uts"}], "sysctl": {"kernel.hostname": "x"}}}`), "hostname")
	size := `{"process": {"terminal": true, "cwd": "/", "args": ["x"], "consoleSize": {"height": %, "width": 1}}}`
	assert.NoError(t, both(strings.Replace(size, "%", "65535", 1)))
	assert.ErrorContains(t, both(strings.Replace(size, "%", "65536", 1)), "process.consoleSize")

	// What is joined is the container's as well: engines let the containers of a pod share them.
	joined := `{"linux": {"namespaces": [{"type": "mount"}, {"type": "uts", "path": "/proc/1/ns/uts"}, {"type": "network", "path": "/run/netns/x"}], "sysctl": {"net.x": "1"}}}`
	assert.NoError(t, both(joined, `{"hostname": "x", "domainname": "y"}`))
}
