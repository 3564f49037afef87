//go:build linux

package layer

import (
	"archive/tar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const root = "755 0:0 directory"

func TestALayerHasFilesOfEachType(t *testing.T) {
	capability := "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	long := strings.Repeat("long/", 30) + strings.Repeat("n", 200)
	s := layers(t, []entry{
		folder(".").owned(7, 0o750),
		folder("bin").owned(3, 0o2775),
		file("bin/ping", "ping").owned(4, 0o4755).with("SCHILY.xattr.security.capability", capability),
		file("noted", "noted").with("SCHILY.xattr.trusted.note", "a\x00b"),
		symlink("bin/link", "../noted").owned(5, 0o777),
		hardlink("again", "noted"),
		hardlink("bin/link2", "bin/link"),
		of(tar.TypeFifo, "fifo", "", "", 0o622),
		file("/absolute", "kept in").owned(0, 0o600),
		file("./dotted//twice", "x"),
		file(long, "long"),
		{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "for all"}}},
	})
	shows := s.shows()
	assert.Equal(t, "750 7:7 directory", shows["."])
	assert.Equal(t, "2775 3:3 directory", shows["bin"])
	assert.Contains(t, shows["bin/ping"], `4755 4:4 file "ping" security.capability=`)
	assert.Equal(t, `644 0:0 file "noted" trusted.note="a\x00b"`, shows["again"])
	assert.Equal(t, "same as again", shows["noted"])
	assert.Equal(t, "5:5 link to ../noted", shows["bin/link"])
	assert.Equal(t, "same as bin/link", shows["bin/link2"])
	assert.Equal(t, "622 0:0 FIFO", shows["fifo"])
	assert.Equal(t, `600 0:0 file "kept in"`, shows["absolute"])
	assert.Equal(t, `644 0:0 file "x"`, shows["dotted/twice"])
	assert.Equal(t, root, shows["dotted"], "a directory without an entry")
	assert.Equal(t, `644 0:0 file "long"`, shows[long])
}

func TestALaterEntryReplacesAnEarlierOne(t *testing.T) {
	s := layers(t, []entry{
		file("file", "first").owned(1, 0o600), file("file", "second"),
		folder("directory"), file("directory/in", "in"), file("directory", "file now"),
		file("grown", "file"), folder("grown"), file("grown/in", "in"),
		folder("kept").with("SCHILY.xattr.trusted.old", "old"), file("kept/in", "in"), folder("kept").owned(9, 0o700),
		symlink("link", "/kept"), file("link", "no link now"),
		file("self", "self"), hardlink("self", "./self"),
	})
	assert.Equal(t, map[string]string{
		".": root, "file": `644 0:0 file "second"`, "directory": `644 0:0 file "file now"`, "grown": root, "grown/in": `644 0:0 file "in"`,
		"kept": "700 9:9 directory", "kept/in": `644 0:0 file "in"`, "link": `644 0:0 file "no link now"`, "self": `644 0:0 file "self"`,
	}, s.shows())
}

func TestTimesAreThoseOfTheTarFile(t *testing.T) {
	late := folder("late")
	s := layers(t, []entry{folder("early"), file("early/file", "x"), symlink("early/link", "x"), file("late/file", "x"), late})
	for _, name := range []string{"", "early", "early/file", "early/link", "late", "late/file"} {
		var stat unix.Stat_t
		require.NoError(t, unix.Lstat(filepath.Join(s.tops[0], name), &stat))
		assert.Equal(t, then.UnixNano(), stat.Mtim.Nano(), name)
	}
}

func TestASparseFileHasHoles(t *testing.T) {
	// GNU tar has written this file of 16 MiB, with three bytes at its beginning and three before the end: tar --sparse --format=posix.
	content, err := os.ReadFile("testdata/sparse.tar")
	require.NoError(t, err)
	s := layers(t, []entry{})
	dir := t.TempDir()
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	summary, err := Apply(fd, s.lowers[0], strings.NewReader(string(content)), Options{})
	require.NoError(t, err)
	assert.EqualValues(t, 16<<20, summary.Bytes)
	var stat unix.Stat_t
	require.NoError(t, unix.Stat(filepath.Join(dir, "sparse"), &stat))
	assert.EqualValues(t, 16<<20, stat.Size)
	assert.Less(t, stat.Blocks*512, int64(2<<20))
	unpacked, err := os.ReadFile(filepath.Join(dir, "sparse"))
	require.NoError(t, err)
	assert.Equal(t, "abc", string(unpacked[:3]))
	assert.Equal(t, "xyz\x00", string(unpacked[16<<20-4:]))
}

func TestDevicesAreLeftOutUnlessThePolicySaysOtherwise(t *testing.T) {
	device := of(tar.TypeChar, "dev/null", "", "", 0o666)
	device.Devmajor, device.Devminor = 1, 3
	disk := of(tar.TypeBlock, "dev/disk", "", "", 0o600)
	disk.Devmajor, disk.Devminor = 8, 300
	s := &stack{t: t}
	require.NoError(t, s.push(file("dev/disk", "below")))
	summary, err := s.pushTar(archive(t, device, disk))
	require.NoError(t, err)
	assert.Equal(t, 2, summary.Dropped)
	assert.Equal(t, map[string]string{".": root, "dev": root}, s.shows())

	s = &stack{t: t, o: Options{Devices: true}}
	require.NoError(t, s.push(device, disk))
	assert.Equal(t, "666 0:0 device 1:3", s.shows()["dev/null"])
	var stat unix.Stat_t
	require.NoError(t, unix.Lstat(filepath.Join(s.tops[0], "dev/disk"), &stat))
	assert.Equal(t, unix.Mkdev(8, 300), stat.Rdev)
	assert.EqualValues(t, unix.S_IFBLK|0o600, stat.Mode)
}

func TestChainIDs(t *testing.T) {
	// printf 'sha256:aa sha256:bb' | sha256sum
	const two = "sha256:b68ad689d6d1ec110ea1c13617437ad6f3766d4b3b309f6a603a222e07a0164f"
	assert.Equal(t, []string{"sha256:aa", two}, ChainIDs([]string{"sha256:aa", "sha256:bb"}))
	assert.NotEqual(t, two, ChainIDs([]string{"sha256:cc", "sha256:bb"})[1], "the same layer above another layer")
}
