//go:build linux

package flags

import (
	"math/big"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A size is what exact arithmetic says.
func FuzzSize(f *testing.F) {
	for _, text := range []string{"64m", "1g", "1.5g", "10KiB", "1b", "0", "", "k", "8388607t", "8388608t", "99999999999999999999g", "0.999999999999999999999t", "1.k", "-1", "1_0", "9223372036854775806"} {
		f.Add(text)
	}
	form := regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)(?:b|([kmgt])(?:i?b)?)?$`)
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseSize(text)
		if err != nil {
			assert.Zero(t, n)
			return
		}
		require.Positive(t, n)
		parts := form.FindStringSubmatch(strings.ToLower(text))
		require.NotNil(t, parts)
		want, ok := new(big.Rat).SetString(parts[1])
		require.True(t, ok)
		if parts[2] != "" {
			shift := 10 * uint(strings.Index("kmgt", parts[2])+1)
			want.Mul(want, new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), shift)))
		}
		off := want.Sub(want, new(big.Rat).SetInt64(n))
		assert.LessOrEqual(t, off.Abs(off).Cmp(big.NewRat(1, 1)), 0, "off by more than a byte")
	})
}

// Nobody is root who has not asked to be, nor in its group.
func FuzzUser(f *testing.F) {
	for _, user := range []string{"", "0", "1", "1:2", "-1", "4294967295", "4294967296", "18446744073709551616", "app", "app:audio", "root", "1234", "1:99", ":1", "1:", "00", "+0", "0x0", "nobody", "letters", "app:bad", "1:root"} {
		f.Add(user)
	}
	f.Fuzz(func(t *testing.T, user string) {
		got, home, err := FindUser(user, files(testPasswd, testGroup))
		if err != nil {
			assert.Zero(t, got)
			assert.NotContains(t, err.Error(), "\n")
			return
		}
		name, group, hasGroup := strings.Cut(user, ":")
		assert.NotEmpty(t, home)
		assert.Equal(t, name == "" || name == "0" || name == "root", got.UID == 0)
		wheel := name == "" || name == "0" || name == "root"
		if hasGroup {
			wheel = group == "0" || group == "root"
		}
		assert.Equal(t, wheel, got.GID == 0)
		assert.NotContains(t, got.AdditionalGids, uint32(0))
		assert.NotEqual(t, ^uint32(0), got.UID)
		assert.NotEqual(t, ^uint32(0), got.GID)
	})
}

// No volume is on or below what is the kernel's, and none is relative in the container.
func FuzzVolume(f *testing.F) {
	for _, volume := range []string{"/a:/b", "./a:/b:ro", "a:/b", "/a:/proc", "/a:/x/../proc/self", "/a:/", "/a:/dev", "/a://sys", "/a:/b:z", "::", "/a:/processes", "/a:/.."} {
		f.Add(volume)
	}
	f.Fuzz(func(t *testing.T, text string) {
		volume, err := parseVolume(text)
		if err != nil {
			return
		}
		assert.Equal(t, path.Clean("/"+volume.Destination), volume.Destination)
		for _, taken := range []string{"/proc/", "/sys/", "/dev/pts/"} {
			assert.False(t, strings.HasPrefix(volume.Destination+"/", taken))
		}
		assert.NotContains(t, []string{"/", "/dev"}, volume.Destination)
		assert.Contains(t, "/.", volume.Source[:1])
		assert.Equal(t, slices.Contains(volume.Options, "rro"), strings.HasSuffix(text, "ro") && strings.Count(text, ":") == 2)
	})
}

// Whatever the container's files say, a number is that number, and a name is what its own line says.
func FuzzPasswd(f *testing.F) {
	f.Add(testPasswd, testGroup)
	f.Add("", "")
	f.Add("app:x:7:8::/h:/s", "app:x:9:app")
	f.Add("app:x:0:0::/h:/s\n", "g:x:0:app\n")
	f.Add("app:x:-1:08::\r\napp:x:4294967295:1::", "app:::app")
	f.Fuzz(func(t *testing.T, passwd, group string) {
		user, _, err := FindUser("77:78", files(passwd, group))
		if err == nil {
			assert.Equal(t, uint32(77), user.UID)
			assert.Equal(t, uint32(78), user.GID)
			assert.Empty(t, user.AdditionalGids)
		}
		user, home, err := FindUser("app", files(passwd, group))
		if err != nil {
			return
		}
		uid, gid, found := "", "", false
		for _, line := range strings.Split(passwd, "\n") {
			fields := strings.Split(strings.TrimSpace(line), ":")
			if len(fields) > 5 && fields[0] == "app" && !found {
				_, err1 := parseID(fields[2])
				_, err2 := parseID(fields[3])
				if err1 == nil && err2 == nil && !strings.Contains(line, "\x00") {
					uid, gid, found = fields[2], fields[3], true
				}
			}
		}
		require.True(t, found)
		assert.Equal(t, uid, big.NewInt(int64(user.UID)).String())
		assert.Equal(t, gid, big.NewInt(int64(user.GID)).String())
		assert.NotEmpty(t, home)
	})
}
