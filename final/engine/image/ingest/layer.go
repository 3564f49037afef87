//go:build linux

package ingest

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/layer"
	"container-workshop/final/owned"
	"container-workshop/final/rootfs"
)

// unpack unpacks a layer that is in the store, unless it has been unpacked before. chainIDs are those of the layers below, and its own.
func (a *Adder) unpack(d image.Descriptor, diffID string, chainIDs []string) error {
	chainID := chainIDs[len(chainIDs)-1]
	name := "layer-" + image.Hex(chainID)
	lock, err := a.Store.LockIngest(name, func() { a.report(d, Blocked, 0) })
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if _, err := os.Stat(a.Store.Layer(chainID)); err == nil {
		return nil
	}
	a.report(d, Unpacking, d.Size)
	ingest, err := owned.Open(filepath.Dir(a.Store.Ingest(name)))
	if err != nil {
		return err
	}
	defer unix.Close(ingest)
	// A final that was killed while it unpacked has left this directory.
	if err := owned.Remove(ingest, name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := unix.Mkdirat(ingest, name, 0o755); err != nil {
		return &os.PathError{Op: "mkdir", Path: name, Err: err}
	}
	dir, err := owned.Below(ingest, name)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	lower, err := a.below(chainIDs[:len(chainIDs)-1])
	if err != nil {
		return err
	}
	defer unix.Close(lower)
	if err := a.unpackInto(dir, lower, d, diffID); err != nil {
		return errors.Join(fmt.Errorf("layer %s: %w", d.Digest, err), owned.Remove(ingest, name))
	}
	return os.Rename(a.Store.Ingest(name), a.Store.Layer(chainID))
}

// below opens the root directory that unpacked layers show together, or returns -1 if there are none.
func (a *Adder) below(chainIDs []string) (int, error) {
	var lower []int
	defer func() {
		for _, fd := range lower {
			unix.Close(fd)
		}
	}()
	for _, chainID := range slices.Backward(chainIDs) {
		fd, err := unix.Open(a.Store.Layer(chainID), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, &os.PathError{Op: "open", Path: a.Store.Layer(chainID), Err: err}
		}
		lower = append(lower, fd)
	}
	if len(lower) == 0 {
		return -1, nil
	}
	if len(lower) == 1 {
		only := lower[0]
		lower = nil
		return only, nil
	}
	overlay := rootfs.Overlay{Lower: lower, Upper: -1}
	if a.Options.UserXattr {
		overlay.Options = []string{"userxattr"}
	}
	mount, err := overlay.Mount()
	if err != nil {
		return -1, fmt.Errorf("stack the layers below: %w", err)
	}
	return mount, nil
}

func (a *Adder) unpackInto(dir, lower int, d image.Descriptor, diffID string) error {
	file, err := os.Open(a.Store.Blob(d.Digest))
	if err != nil {
		return err
	}
	defer file.Close()
	tar, err := decompress(file, d.MediaType)
	if err != nil {
		return err
	}
	defer tar.Close()
	options := a.Options
	limits, taken, err := a.within()
	if err != nil {
		return err
	}
	options.Limits = limits
	ahead := readAhead(tar)
	defer ahead.Close()
	summary, err := layer.Apply(dir, lower, ahead, options)
	taken(summary)
	if err != nil {
		var kernel unix.Errno
		if errors.As(err, &kernel) && slices.Contains(ours, kernel) {
			return err
		}
		return refused(err)
	}
	if digest := Sum(ahead.hash); digest != diffID {
		return refuse("its tar file has the digest %s, and the config of the image promises %s", digest, diffID)
	}
	return nil
}

// ours are the errors of the kernel that are not the fault of an image. All other errors are, such as a name that is too long.
var ours = []unix.Errno{unix.ENOSPC, unix.EDQUOT, unix.EIO, unix.ENOMEM, unix.ENFILE, unix.EMFILE, unix.EROFS, unix.EPERM, unix.EACCES, unix.ESTALE}

// Magic numbers of compressed files.
var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// maxWindow is how much memory the decompression of a layer may take. zstd(1), --long
const maxWindow = 128 << 20

// decompress reads a layer as its media type says. It refuses a layer that is compressed in another way.
func decompress(file io.Reader, mediaType string) (io.ReadCloser, error) {
	says, err := image.Compression(mediaType)
	if err != nil {
		return nil, refused(err)
	}
	reader := bufio.NewReaderSize(file, 256<<10)
	is := Compression(reader)
	if is != says {
		return nil, refuse("the manifest says that its type is %q, and it is compressed with %s", mediaType, cmp.Or(is, "nothing that final knows"))
	}
	return Decompress(reader, is)
}

// Compression finds out how a file is compressed: "", "gzip" or "zstd".
func Compression(file *bufio.Reader) string {
	// A file may be shorter.
	begin, _ := file.Peek(len(zstdMagic))
	switch {
	case bytes.HasPrefix(begin, gzipMagic):
		return "gzip"
	case bytes.HasPrefix(begin, zstdMagic):
		return "zstd"
	}
	return ""
}

// Decompress reads a compressed file.
func Decompress(file io.Reader, compression string) (io.ReadCloser, error) {
	switch compression {
	case "gzip":
		reader, err := gzip.NewReader(file)
		return reader, refused(err)
	case "zstd":
		reader, err := zstd.NewReader(file, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, refused(err)
		}
		return reader.IOReadCloser(), nil
	}
	return io.NopCloser(file), nil
}
