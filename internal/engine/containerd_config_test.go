//go:build linux && engines

package engine

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A configuration is a config.json. Tests use it for what ctr has no flag for.
type configuration = object

// configured runs a shell script in a container and removes the container. change changes the configuration that containerd wrote.
func (c *containerd) configured(script string, change func(config configuration)) result {
	c.Helper()
	return c.try(c.runArgs(c.newID(), append([]string{"--rm"}, c.config(script, change)...))...)
}

// config returns the flags of ctr that pass a configuration.
func (c *containerd) config(script string, change func(config configuration)) []string {
	c.Helper()
	var config configuration
	require.NoError(c, json.Unmarshal([]byte(c.ctr("oci", "spec")), &config))
	config["root"] = configuration{"path": c.rootfs()}
	process := configuration{"args": []string{"/bin/sh", "-c", script}, "env": []string{"PATH=/bin"}}
	maps.Copy(config["process"].(configuration), process)
	change(config)
	content, err := json.Marshal(config)
	require.NoError(c, err)
	return []string{"--config", file(c, c.path("config.json"), string(content))}
}

func TestContainerdConfigProcess(t *testing.T) {
	c := newContainerd(t)
	script := "id -u; id -g; id -G; umask; ulimit -n; cat /proc/self/oom_score_adj; hostname"
	r := c.configured(script, func(config configuration) {
		maps.Copy(config["process"].(configuration), configuration{
			"user":        configuration{"uid": 1000, "gid": 34, "additionalGids": []int{2000, 2001, 2000}, "umask": 0o27},
			"rlimits":     []configuration{{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}},
			"oomScoreAdj": 500,
		})
		config["hostname"] = "name"
		config["annotations"] = configuration{"org.example.key": "value"}
	})
	require.Equal(t, 0, r.status, r.stderr)
	lines := strings.Split(r.stdout, "\n")
	require.Equal(t, []string{"1000", "34"}, lines[:2])
	require.Subset(t, []string{"34", "2000", "2001"}, strings.Fields(lines[2]))
	require.Equal(t, []string{"0027", "100", "500", "name"}, lines[3:7])
}

func TestContainerdConfigMounts(t *testing.T) {
	c := newContainerd(t)
	script := `stat -c %a /scratch; df -k /scratch | tail -1; echo 1 >/etc/new/file; ls /etc/new
cat /proc/timer_list; echo 1 >/proc/sys/kernel/msgmax`
	tmpfs := func(destination string, options ...string) configuration {
		return configuration{"destination": destination, "type": "tmpfs", "source": "tmpfs", "options": options}
	}
	r := c.configured(script, func(config configuration) {
		config["mounts"] = append(config["mounts"].([]any),
			tmpfs("/scratch", "nosuid", "size=4096k", "mode=1750"), tmpfs("/etc/new", "rw", "noexec"))
	})
	lines := strings.Split(r.stdout, "\n")
	require.Equal(t, "1750", lines[0])
	require.Contains(t, lines[1], " 4096 ")
	// Masked files are empty, and read-only files cannot be written.
	require.Equal(t, []string{"file", ""}, lines[2:])
	require.Contains(t, r.stderr, "Read-only file system")
	require.Equal(t, 1, r.status)
}

func TestContainerdConfigSysctl(t *testing.T) {
	c := newContainerd(t)
	r := c.configured("cat /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward", func(config configuration) {
		config["linux"].(configuration)["sysctl"] = configuration{"kernel.msgmax": "8193", "net.ipv4.ip_forward": "1"}
	})
	require.Equal(t, result{"8193\n1\n", "", 0}, r)
	r = c.configured("true", func(config configuration) {
		config["linux"].(configuration)["sysctl"] = configuration{"vm.overcommit_memory": "1"}
	})
	require.Equal(t, 1, r.status)
	require.Contains(t, r.stderr, "vm.overcommit_memory")
}

func TestContainerdConfigPidsLimit(t *testing.T) {
	c := newContainerd(t)
	r := c.configured("for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1000 & done", func(config configuration) {
		config["linux"].(configuration)["resources"].(configuration)["pids"] = configuration{"limit": 5}
	})
	require.NotEqual(t, 0, r.status)
	require.Contains(t, r.stderr, "can't fork: Resource temporarily unavailable")
}

func TestContainerdConfigDefaultsOfEngines(t *testing.T) {
	c := newContainerd(t)
	// Engines send all these fields, but the fields have no effect.
	r := c.configured("echo yes", func(config configuration) {
		linux := config["linux"].(configuration)
		linux["resources"] = configuration{
			"cpu":     configuration{"shares": 0, "quota": 0, "period": 0},
			"memory":  configuration{},
			"pids":    configuration{"limit": 0},
			"blockIO": configuration{"weight": 0},
			"devices": []configuration{
				{"allow": false, "access": "rwm"},
				{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
			},
		}
		linux["maskedPaths"] = append(linux["maskedPaths"].([]any), "/proc/no-such-file", "/sys/no-such-folder/file")
		linux["readonlyPaths"] = append(linux["readonlyPaths"].([]any), "/proc/no-such-file")
		linux["seccomp"] = configuration{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []configuration{
			{"names": []string{"no_such_system_call"}, "action": "SCMP_ACT_ERRNO"},
		}}
		config["mounts"] = append(config["mounts"].([]any),
			configuration{"destination": "/dev/shm", "type": "bind", "source": folder(t), "options": []string{"rbind", "rprivate"}})
		config["not-known-to-anybody"] = true
	})
	require.Equal(t, result{"yes\n", "", 0}, r)
}

func TestContainerdConfigThatIsRefused(t *testing.T) {
	c := newContainerd(t)
	for name, config := range map[string]configuration{
		"no rootfs": {"root": configuration{"path": "/no/such/folder"}},
		"no source": {"mounts": []configuration{
			{"destination": "/x", "type": "bind", "source": "/no/such/folder", "options": []string{"bind"}},
		}},
	} {
		r := c.configured("true", func(all configuration) { maps.Copy(all, config) })
		require.Equal(t, 1, r.status, name)
		require.Contains(t, r.stderr, "OCI runtime create failed: ", name)
		require.Contains(t, r.stderr, "/no/such/folder", name)
	}
}

func TestContainerdHooks(t *testing.T) {
	c := newContainerd(t)
	out := folder(t)
	hook := func(name string) []configuration {
		// The shell may be the host's or the container's.
		script := "exec >" + out + "/" + name + "; cat; echo $KEY"
		env := []string{"PATH=/bin:/usr/bin", "KEY=value"}
		return []configuration{{"path": "/bin/sh", "args": []string{"sh", "-c", script}, "env": env}}
	}
	id := c.newID()
	all := c.config("sleep 1000", func(config configuration) {
		hooks := configuration{}
		for _, name := range []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"} {
			hooks[name] = hook(name)
		}
		config["hooks"] = hooks
		config["annotations"] = configuration{"org.example.key": "value"}
		volume := configuration{"destination": out, "type": "bind", "source": out, "options": []string{"rbind", "rw"}}
		config["mounts"] = append(config["mounts"].([]any), volume)
	})
	c.ctr(c.runArgs(id, append([]string{"--detach", "--null-io"}, all...))...)
	pid, _ := c.task(id)
	c.remove(id)
	for name, status := range map[string]string{
		// Runtimes differ here, and both words are right.
		"prestart": "created|creating", "createRuntime": "created|creating", "createContainer": "created|creating",
		"startContainer": "created|starting", "poststart": "created|running", "poststop": "stopped",
	} {
		content := read(t, out+"/"+name)
		require.True(t, strings.HasSuffix(content, "}\nvalue") || strings.HasSuffix(content, "}value"), content)
		var state struct {
			OCIVersion  string
			ID          string
			PID         int
			Status      string
			Bundle      string
			Annotations map[string]string
		}
		require.NoError(t, json.Unmarshal([]byte(strings.TrimSuffix(content, "value")), &state), content)
		require.NotEmpty(t, state.OCIVersion)
		require.Equal(t, id, state.ID)
		require.Regexp(t, status, state.Status, "%s: %s", name, content)
		require.Equal(t, map[string]string{"org.example.key": "value"}, state.Annotations)
		switch name {
		case "prestart", "createRuntime", "poststart":
			require.Equal(t, pid, state.PID, name)
			require.Equal(t, c.path("state/io.containerd.runtime.v2.task/test/"+id), state.Bundle)
		}
	}
}

func TestContainerdHookThatFails(t *testing.T) {
	c := newContainerd(t)
	hook := func(name, script string) func(config configuration) {
		return func(config configuration) {
			config["hooks"] = configuration{name: []configuration{{"path": "/bin/sh", "args": []string{"sh", "-c", script}}}}
		}
	}
	for _, name := range []string{"prestart", "createRuntime", "createContainer"} {
		r := c.configured("echo started", hook(name, "cat >/dev/null; echo the reason >&2; exit 3"))
		require.Equal(t, 1, r.status, name)
		require.Empty(t, r.stdout, name)
		require.Contains(t, r.stderr, "OCI runtime create failed: ", name)
	}
	r := c.configured("echo started", hook("poststop", "cat >/dev/null; exit 3"))
	require.Equal(t, result{"started\n", "", 0}, r)
}

func TestContainerdHookThatDoesNotRead(t *testing.T) {
	c := newContainerd(t)
	r := c.configured("echo started", func(config configuration) {
		hook := []configuration{{"path": "/bin/true"}}
		config["hooks"] = configuration{"prestart": hook, "createRuntime": hook, "poststart": hook, "poststop": hook}
		// This is more than a pipe holds.
		config["annotations"] = configuration{"large": strings.Repeat("x", 1<<17)}
	})
	require.Equal(t, result{"started\n", "", 0}, r)
}
