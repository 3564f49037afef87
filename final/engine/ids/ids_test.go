//go:build linux

package ids

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// host makes the root directory of a host with the two files.
func host(t *testing.T, subuid, subgid string) string {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "etc"), 0o755))
	for name, content := range map[string]string{"etc/subuid": subuid, "etc/subgid": subgid} {
		if content != "" {
			require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(content), 0o644))
		}
	}
	return root
}

func TestThePoolIsThatOfTheUserContainers(t *testing.T) {
	pool, err := Pool(host(t, "you:100000:65536\ncontainers:1000000:131072\ncontainers:3000000:65536\n", "containers:2000000:196607\n"))
	require.NoError(t, err)
	assert.Equal(t, []Range{{1000000, 2000000}, {1065536, 2065536}}, pool)
}

func TestWithoutTheUserContainersThePoolIsTheFixedArea(t *testing.T) {
	for name, root := range map[string]string{"no files": host(t, "", ""), "another user": host(t, "you:100000:65536\n", "containers2:1:65536\n")} {
		pool, err := Pool(root)
		require.NoError(t, err, name)
		require.Len(t, pool, 2048, name)
		assert.Equal(t, Range{0x78000000, 0x78000000}, pool[0], name)
		assert.Greater(t, pool[0].UID, uint32(2000200000), "the last ID of a user of a domain: ldap_idmap_range_max in sssd-ad(5)")
		assert.Equal(t, Range{0x7fff0000, 0x7fff0000}, pool[2047], name)
	}
}

func TestWrongPoolsAreRefused(t *testing.T) {
	good := "containers:1000000:65536\n"
	for name, files := range map[string][3]string{
		"one file only":         {good, "", "containers:2013265920:4194304 into both"},
		"the other file only":   {"", good, "at least 65536 IDs"},
		"too few":               {good, "containers:1000000:65535\n", "at least 65536 IDs"},
		"no number":             {good, "containers:1000000:many\n", `/etc/subgid: line "containers:1000000:many": must be NAME:FIRST:COUNT`},
		"two fields":            {"containers:1000000\n", good, "/etc/subuid"},
		"the IDs of the host":   {"containers:0:65536\n", good, "with IDs from 65536"},
		"above the highest ID":  {"containers:4294901760:65536\n", good, "to 4294967294"},
		"far above the highest": {"containers:1000000:99999999999999999999\n", good, "must be"},
	} {
		_, err := Pool(host(t, files[0], files[1]))
		assert.ErrorContains(t, err, files[2], name)
	}
}

// none are the ranges of a host without containers.
func none() ([]Range, error) { return nil, nil }

func TestNobodyElseGetsARangeThatIsClaimed(t *testing.T) {
	lock := filepath.Join(t.TempDir(), "ids")
	pool := []Range{{100000, 200000}, {165536, 265536}}
	a, err := Take(pool, lock, none)
	require.NoError(t, err)
	b, err := Take(pool, lock, none)
	require.NoError(t, err)
	assert.Equal(t, pool, []Range{a.Range, b.Range})
	_, err = Take(pool, lock, none)
	assert.ErrorContains(t, err, "all 2 ranges")
	// A range of other limits has IDs of both.
	_, err = Take([]Range{{100001, 300000}}, lock, none)
	assert.Error(t, err)

	a.Close()
	c, err := Take(pool, lock, none)
	require.NoError(t, err)
	assert.Equal(t, a.Range, c.Range)
}

func TestNobodyElseGetsARangeThatAContainerHas(t *testing.T) {
	lock := filepath.Join(t.TempDir(), "ids")
	pool := []Range{{100000, 200000}, {165536, 265536}, {231072, 331072}}
	// The first has a user of the pool's first, and the other a group of its second.
	has := []Range{{99999, 1}, {1, 331071}}
	claim, err := Take(pool, lock, func() ([]Range, error) { return has, nil })
	require.ErrorContains(t, err, "all 3 ranges")
	require.Nil(t, claim)

	// Somebody makes a container between the first look and the lock.
	looks := 0
	claim, err = Take(pool, lock, func() ([]Range, error) {
		if looks++; looks == 1 {
			return nil, nil
		}
		return pool[:1], nil
	})
	require.NoError(t, err)
	assert.Equal(t, pool[1], claim.Range)
}

func TestIDsOfTheContainerOnTheHost(t *testing.T) {
	r := Range{100000, 200000}
	assert.Equal(t, []int{100007, 200007, 100000}, []int{r.User(7), r.Group(7), r.User(65536)})
	assert.Equal(t, 70000, Range{}.User(70000))
}
