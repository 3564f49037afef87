//go:build linux

package flags

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFindUser(t *testing.T) {
	for _, c := range []struct {
		user string
		want specs.User
		home string
	}{
		{"", specs.User{}, "/root"},
		{"0", specs.User{}, "/root"},
		{"root", specs.User{}, "/root"},
		{"1", specs.User{UID: 1, GID: 1}, "/usr/sbin"},
		{"1:2", specs.User{UID: 1, GID: 2}, "/usr/sbin"},
		{"0:5", specs.User{GID: 5}, "/root"},
		{"app", specs.User{UID: 1000, GID: 1000, AdditionalGids: []uint32{29, 44}}, "/home/app"},
		{"1000", specs.User{UID: 1000, GID: 1000, AdditionalGids: []uint32{29, 44}}, "/home/app"},
		{"app:audio", specs.User{UID: 1000, GID: 29}, "/home/app"},
		{"app:0", specs.User{UID: 1000}, "/home/app"},
		{"5:root", specs.User{UID: 5}, "/"},
		{"homeless", specs.User{UID: 1002, GID: 1002}, "/"},
		{"1234", specs.User{UID: 1234, GID: 1234}, "/"},
		{"1:99", specs.User{UID: 1, GID: 99}, "/usr/sbin"},
		{"4294967294:4294967294", specs.User{UID: 4294967294, GID: 4294967294}, "/"},
	} {
		user, home, err := FindUser(c.user, files(testPasswd, testGroup))
		require.NoError(t, err, c.user)
		assert.Equal(t, c.want, user, c.user)
		assert.Equal(t, c.home, home, c.user)
	}
}

func TestFindUserWithoutFiles(t *testing.T) {
	missing := func(string) ([]byte, error) { return nil, &fs.PathError{Op: "open", Err: fs.ErrNotExist} }
	for _, read := range []func(string) ([]byte, error){nil, missing, files("", ""), files("\n\n:::::::\n\x00", "\n\n:::::::\n\x00")} {
		for name, want := range map[string]specs.User{"": {}, "7": {UID: 7, GID: 7}, "7:8": {UID: 7, GID: 8}} {
			user, home, err := FindUser(name, read)
			require.NoError(t, err)
			assert.Equal(t, want, user)
			assert.Equal(t, "/", home)
		}
		_, _, err := FindUser("root", read)
		assert.ErrorContains(t, err, "no user")
		_, _, err = FindUser("1:root", read)
		assert.ErrorContains(t, err, "no group")
	}
}

// How much is read, and from what kind of file, is for [rootfs.Root.ReadFile] to say.
func TestFindUserInBadFiles(t *testing.T) {
	for _, bad := range []string{"/etc/passwd", "/etc/group"} {
		_, _, err := FindUser("app", func(name string) ([]byte, error) {
			if name == bad {
				return []byte(testPasswd), errors.New("is a FIFO")
			}
			return files(testPasswd, testGroup)(name)
		})
		assert.ErrorContains(t, err, "is a FIFO")
		assert.ErrorContains(t, err, bad)
	}
	nul := "app:x:0:0::/\x00:/bin/sh\n"
	_, _, err := FindUser("app", files(nul, ""))
	assert.ErrorContains(t, err, "no user")
}

// A process can have 65536 groups, whatever /etc/group says.
func TestFindUserInManyGroups(t *testing.T) {
	many := func(count int) func(string) ([]byte, error) {
		var lines strings.Builder
		for i := range count {
			fmt.Fprintf(&lines, "g:x:%d:app\n", 2000+count-i)
		}
		return files(testPasswd, lines.String())
	}
	user, _, err := FindUser("app", many(maxGroups))
	require.NoError(t, err)
	assert.Len(t, user.AdditionalGids, maxGroups)
	_, _, err = FindUser("app", many(maxGroups+1))
	assert.ErrorContains(t, err, "app:1000")
}
