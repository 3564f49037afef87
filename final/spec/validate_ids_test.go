//go:build linux

package spec

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const newUser = `{"type": "mount"}, {"type": "user"}`

// mapped returns the section linux of a container in a user namespace.
func mapped(namespaces, uids, gids string) string {
	return `{"namespaces": [` + namespaces + `], "uidMappings": [` + uids + `], "gidMappings": [` + gids + `]}`
}

func line(container, host, size int) string {
	return fmt.Sprintf(`{"containerID": %d, "hostID": %d, "size": %d}`, container, host, size)
}

func lines(count int) string {
	all := make([]string, count)
	for i := range all {
		all[i] = line(i, 1000+i, 1)
	}
	return strings.Join(all, ",")
}

func validated(t *testing.T, text string) error {
	t.Helper()
	spec, err := Load(strings.NewReader(text))
	require.NoError(t, err, text)
	return Validate(spec)
}

func TestMappings(t *testing.T) {
	ok := line(0, 1000, 10)
	for _, c := range [][3]string{
		{ok, ok, ""},
		{lines(340), ok, ""},
		{line(0, 100000, 1) + "," + line(1, 0, 9), ok, ""},
		{line(0, 0, 4294967295), ok, ""},
		{ok, "", "linux.gidMappings: missing"},
		{"", ok, "linux.uidMappings: missing"},
		{line(0, 1000, 0), ok, "linux.uidMappings[0].size: "},
		{ok, ok + "," + line(20, 20, 0), "linux.gidMappings[1].size: "},
		{lines(341), ok, "linux.uidMappings: 341 ranges: must be at most 340"},
		{ok + "," + line(9, 0, 1), ok, "linux.uidMappings[1]: overlaps with linux.uidMappings[0]"},
		{ok, line(5, 5000, 1) + "," + ok, "linux.gidMappings[1]: overlaps with linux.gidMappings[0]"},
		{ok + "," + line(10, 1009, 1), ok, "linux.uidMappings[1]: overlaps with"},
		{line(0, 4294967295, 1), ok, "linux.uidMappings[0]: the last ID is above 4294967294"},
		{ok + "," + line(4294967295, 0, 1), ok, "linux.uidMappings[1]: the last ID is above"},
		{ok, line(0, 1, 4294967295), "linux.gidMappings[0]: the last ID is above"},
		{line(1, 1000, 1), ok, "linux.uidMappings: containerID 0 is missing"},
		{ok, line(1, 1000, 1), "linux.gidMappings: containerID 0 is missing"},
	} {
		err := validated(t, with(t, "linux", mapped(newUser, c[0], c[1])))
		if c[2] == "" {
			assert.NoError(t, err, "%v", c)
			continue
		}
		require.Error(t, err, "%v", c)
		assert.True(t, strings.HasPrefix(err.Error(), c[2]), "%v: %v", c, err)
	}
	// Those of a user namespace that is joined are its own, whatever is written here.
	joined := `{"type": "mount"}, {"type": "user", "path": "/proc/1/ns/user"}`
	assert.NoError(t, validated(t, with(t, "linux", mapped(joined, line(1, 1, 0), ""))))
	assert.NoError(t, validated(t, with(t, "linux", mapped(joined, "", ""))))
}

func TestAdditionalGroupsAreMapped(t *testing.T) {
	text := func(groups string) string {
		config := with(t, "linux", mapped(newUser, line(0, 1000, 1), line(0, 1000, 5)))
		return strings.Replace(config, `"gid":0`, `"gid":0,"additionalGids":[`+groups+`]`, 1)
	}
	assert.NoError(t, validated(t, text("0,0,4")))
	assert.ErrorContains(t, validated(t, text("0,5")), "process.user.additionalGids[1]: 5: must be an ID in linux.gidMappings")
}

func TestMountsOfAUserNamespace(t *testing.T) {
	config := func(namespaces string) string {
		text := with(t, "mounts", `[{"destination": "/b", "source": "/", "options": ["bind", "idmap"]}]`)
		return strings.Replace(text, `"linux":{"namespaces":[{"type":"mount"}]}`, `"linux":`+mapped(namespaces, line(0, 1, 1), line(0, 1, 1)), 1)
	}
	assert.NoError(t, validated(t, config(newUser)))
	assert.NoError(t, validated(t, config(`{"type": "mount"}, {"type": "user", "path": "/x"}`)))
}

func TestTimeOffsets(t *testing.T) {
	offsets := func(path, text string) error {
		return validated(t, with(t, "linux", `{"namespaces": [{"type": "mount"}, {"type": "time"`+path+`}], "timeOffsets": `+text+`}`))
	}
	assert.NoError(t, offsets("", `{"monotonic": {"secs": -5, "nanosecs": 999999999}, "boottime": {"secs": 5}}`))
	assert.NoError(t, offsets("", `{}`))
	assert.NoError(t, offsets(`, "path": "/proc/1/ns/time"`, `{}`))
	assert.ErrorContains(t, offsets("", `{"realtime": {"secs": 1}}`), `linux.timeOffsets["realtime"]: unknown clock: must be monotonic or boottime`)
	assert.ErrorContains(t, offsets("", `{"boottime": {"nanosecs": 1000000000}}`), `linux.timeOffsets["boottime"].nanosecs: 1000000000`)
	assert.ErrorContains(t, offsets(`, "path": "/proc/1/ns/time"`, `{"boottime": {"secs": 1}}`), "linux.timeOffsets: need a new time namespace")
}

// Each field in the list is refused by its name, with its reason, and no other is: that is what the documentation says.
func TestUnsupported(t *testing.T) {
	var fields []string
	for _, refusal := range Unsupported() {
		err := validated(t, with(t, refusal.Field, "{}"))
		assert.EqualError(t, err, refusal.Field+": not supported: "+refusal.Reason)
		assert.NotEmpty(t, refusal.Reason)
		fields = append(fields, refusal.Field)
	}
	assert.Equal(t, []string{"linux.intelRdt", "solaris", "windows", "vm", "zos", "freebsd"}, fields)
}

func TestHookNames(t *testing.T) {
	assert.Equal(t, []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}, HookNames())
	for _, name := range HookNames() {
		assert.ErrorContains(t, validated(t, with(t, "hooks."+name, `[{"path": "x"}]`)), "hooks."+name+"[0].path")
	}
}
