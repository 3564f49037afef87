//go:build linux

package network

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func opened(t *testing.T) *Store {
	t.Helper()
	home := filepath.Join(t.TempDir(), "home")
	s, err := Open(In(home))
	require.NoError(t, err)
	t.Cleanup(s.Close)
	for dir, mode := range map[string]os.FileMode{home: 0o711, s.Dir: 0o750} {
		info, err := os.Stat(dir)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), dir)
	}
	return s
}

// endpoint returns a new endpoint of a container that has a state.
func endpoint(t *testing.T, id string) *Endpoint {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, id), 0o700))
	return &Endpoint{ID: id, Root: root, Name: id}
}

func joined(t *testing.T, s *Store, name, id string) (*Network, *Endpoint) {
	t.Helper()
	e := endpoint(t, id)
	n, err := s.Join(name, e)
	require.NoError(t, err)
	return n, e
}

// An earlier final has made the files of a network for root alone, and its process was root.
func TestTheProcessOfAnOldNetworkCanReadItsFiles(t *testing.T) {
	s := opened(t)
	require.NoError(t, s.Create(&Network{Name: "old"}))
	dir := filepath.Join(s.Dir, "old")
	for name, mode := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "network.json"): 0o600} {
		require.NoError(t, os.Chown(name, 0, 0))
		require.NoError(t, os.Chmod(name, mode))
	}
	joined(t, s, "old", "web")
	for name, mode := range map[string]os.FileMode{
		"": 0o750, "network.json": 0o640, "endpoints": 0o750, "endpoints/web.json": 0o640,
	} {
		var stat unix.Stat_t
		require.NoError(t, unix.Stat(filepath.Join(dir, name), &stat))
		assert.Equal(t, mode, os.FileMode(stat.Mode).Perm(), name)
		assert.EqualValues(t, Server, stat.Gid, name)
	}
}

func TestTheFirstContainerMakesTheNetworkAndTheLastTakesItAlong(t *testing.T) {
	s := opened(t)
	n, a := joined(t, s, Default, "a")
	_, b := joined(t, s, Default, "b")
	assert.Equal(t, "workshop0", n.Bridge)
	assert.Equal(t, n.IPv4.Addr().Next(), n.Gateway())
	assert.Equal(t, []netip.Addr{n.Gateway().Next(), n.Gateway().Next().Next()}, []netip.Addr{a.IPv4, b.IPv4})
	assert.NotEqual(t, a.MAC, b.MAC)
	assert.Equal(t, []string{"ws0-2", "ws0-3"}, []string{n.Port(a), n.Port(b)})

	found, e, err := s.Find(a.Root, "a")
	require.NoError(t, err)
	assert.Equal(t, n, found)
	assert.Equal(t, a, e)
	_, e, err = s.Find(b.Root, "a")
	require.NoError(t, err)
	assert.Nil(t, e, "the ID belongs to another root")

	require.NoError(t, s.Leave(n, a))
	_, c := joined(t, s, Default, "c")
	assert.Equal(t, a.IPv4, c.IPv4, "the address is free again")
	require.NoError(t, s.Leave(n, b))
	require.NoError(t, s.Leave(n, c))
	assert.NoDirExists(t, filepath.Join(s.Dir, Default))
}

func TestANetworkWithANameStays(t *testing.T) {
	s := opened(t)
	_, err := s.Join("shop", endpoint(t, "a"))
	assert.ErrorContains(t, err, `there is no network "shop"`)
	require.NoError(t, s.Create(&Network{Name: "shop", Internal: true}))
	assert.ErrorContains(t, s.Create(&Network{Name: "shop"}), "already exists")
	n, a := joined(t, s, "shop", "a")
	other, _ := joined(t, s, Default, "b")
	assert.True(t, n.Internal)
	assert.False(t, n.IPv4.Overlaps(other.IPv4))
	assert.NotEqual(t, n.Bridge, other.Bridge)
	require.NoError(t, s.Leave(n, a))
	_, err = s.Network("shop")
	require.NoError(t, err)
	require.NoError(t, s.Remove(n))
	assert.NoDirExists(t, filepath.Join(s.Dir, "shop"))
}

func TestALeaseEndsWithTheStateOfItsContainer(t *testing.T) {
	s := opened(t)
	_, a := joined(t, s, Default, "a")
	_, b := joined(t, s, Default, "b")
	require.NoError(t, os.Remove(filepath.Join(a.Root, "a")))
	_, c := joined(t, s, Default, "c")
	assert.Equal(t, a.IPv4, c.IPv4)
	assert.NotEqual(t, b.IPv4, c.IPv4)
}

// A file system may have the name of a file on its disk, but not yet the content, when the power of the host fails.
func TestNothingIsLeftOfContainersAfterAPowerFailure(t *testing.T) {
	s := opened(t)
	_, a := joined(t, s, Default, "a")
	require.NoError(t, os.Truncate(filepath.Join(s.Dir, s.endpointFile(a)), 0))
	_, b := joined(t, s, Default, "b")
	assert.Equal(t, a.IPv4, b.IPv4, "the address is free again")
	require.NoError(t, os.Truncate(filepath.Join(s.Dir, Default, "network.json"), 0))
	n, c := joined(t, s, Default, "c")
	require.NoError(t, s.Leave(n, b))
	require.NoError(t, s.Leave(n, c))
	assert.NoDirExists(t, filepath.Join(s.Dir, Default))
}

// Root may have edited the files. Only the file says what the bridge was, so the remedy names the file.
func TestADamagedFileIsNamed(t *testing.T) {
	s := opened(t)
	n, _ := joined(t, s, Default, "a")
	network, lease := filepath.Join(s.Dir, Default, "network.json"), filepath.Join(s.Dir, Default, "endpoints", "a.json")
	right, err := os.ReadFile(network)
	require.NoError(t, err)
	for _, content := range []string{"{", `{"Bridge": "eth0", "IPv4": "10.1.2.0/24"}`, `{"Bridge": "workshop", "IPv4": "10.1.2.0/24"}`, `{"Bridge": "workshop1", "IPv4": "10.1.2.3/24"}`, `{"Bridge": "workshop1"}`} {
		require.NoError(t, os.WriteFile(network, []byte(content), 0o600))
		_, err := s.Networks()
		assert.ErrorContains(t, err, network+" is damaged: ", content)
		assert.ErrorContains(t, err, "rm "+network, content)
	}
	require.NoError(t, os.WriteFile(network, right, 0o600))
	require.NoError(t, os.WriteFile(lease, []byte("nonsense"), 0o600))
	_, err = s.Endpoints(n)
	require.ErrorContains(t, err, "rm "+lease)
	require.NoError(t, os.Remove(lease))
	left, err := s.Endpoints(n)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestAFullNetworkSaysSo(t *testing.T) {
	s := opened(t)
	require.NoError(t, s.Create(&Network{Name: "small", IPv4: netip.MustParsePrefix("10.251.7.8/29")}))
	for i := range 5 {
		joined(t, s, "small", fmt.Sprint("c", i))
	}
	_, err := s.Join("small", endpoint(t, "more"))
	assert.ErrorContains(t, err, "no free address left")
}

func TestASubnetCollidesWithNothing(t *testing.T) {
	prefix := netip.MustParsePrefix
	assert.Equal(t, prefix("10.143.0.0/24"), choose(nil))
	assert.Equal(t, prefix("10.143.2.0/24"), choose([]netip.Prefix{prefix("10.143.0.0/23"), prefix("fd00::/8")}))
	assert.Equal(t, prefix("172.30.0.0/24"), choose([]netip.Prefix{prefix("10.0.0.0/8")}))
	assert.False(t, choose([]netip.Prefix{prefix("0.0.0.0/1"), prefix("128.0.0.0/1")}).IsValid())

	taken := []netip.Prefix{prefix("10.1.2.0/25")}
	assert.ErrorContains(t, checkSubnet(prefix("10.1.0.0/16"), taken), "collides with 10.1.2.0/25")
	for _, wrong := range []string{"10.1.2.3/24", "10.0.0.0/8", "10.0.0.0/30", "fd00::/64"} {
		assert.ErrorContains(t, checkSubnet(prefix(wrong), nil), "must be a network of IPv4", wrong)
	}
	found, err := routes()
	require.NoError(t, err)
	assert.Contains(t, found, prefix("127.0.0.1/32"), "the addresses of the host are among its routes")
}

func TestNamesOfNetworks(t *testing.T) {
	for _, name := range []string{"bridge", "a", "0", "my_shop-2"} {
		assert.NoError(t, CheckName(name), name)
	}
	for _, name := range []string{"", ".", "..", "a/b", "a.b", "-a", "_a", "host", "none", "container", "lock", "käse", "NONE"} {
		assert.Error(t, CheckName(name), name)
	}
}

func TestAddressesOfAnEndpoint(t *testing.T) {
	e := &Endpoint{IPv4: netip.MustParseAddr("10.143.1.2")}
	assert.Equal(t, "02:57:0a:8f:01:02", macOf(e.IPv4))
	// The bit that the MAC address has for local administration is turned around.
	assert.Equal(t, "fe80::57:aff:fe8f:102", e.LinkLocal().String())
	assert.Equal(t, "fd12::a8f:102", ipv6Of(netip.MustParsePrefix("fd12::/64"), e.IPv4).String())
}
