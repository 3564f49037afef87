//go:build linux

// Package layer runs in final-helper, on the host side. It unpacks one layer of an image, a tar file, into an empty directory, so that
// overlay can use the directory as one of its lower directories.
//
// A layer is a list of changes to the root file system that the layers below it make together. So an entry can need the layers below:
// the directory of its path can be a symbolic link there (var/run, which leads to /run), a hard link can lead to a file there, and a
// directory without an entry of its own keeps the owner and the mode that it has there. An unpacked layer is therefore right only above
// the layers that it was unpacked on, and belongs to their chain: see [ChainIDs].
//
// Do not trust a tar file. No path of the tar file reaches the kernel: Apply walks its components one by one, follows symbolic links itself
// as if the layer were the root directory, and makes each file by a descriptor of its directory and a single name.
//
// https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md
package layer

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// Options say what an unpacked layer may have.
type Options struct {
	// Devices makes device nodes. Without Devices they are left out: a container gets its devices from final.
	Devices bool
	// UserXattr marks opaque directories for an overlay that is mounted with userxattr, in a user namespace. overlayfs.rst of the kernel
	UserXattr bool
	// Squash gives all files to root, for a user namespace with a single ID.
	Squash bool
	// Limits are never in the image. Limits that are 0 have a default.
	Limits Limits
}

// A Summary counts what Apply has read. Dropped is how many device nodes it has left out.
type Summary struct {
	Entries, Dropped int
	// Bytes is the size of all files, including their holes.
	Bytes int64
}

// An applier unpacks a layer.
type applier struct {
	tree
	options Options
	summary Summary
	buffer  []byte
}

// Apply unpacks a plain tar file into an empty directory, which becomes a layer. lower is the root directory that the layers below show
// together, or -1 for the lowest layer. Both are open. Apply reads the tar file to its end, so the caller can compute its digest on the
// way. If Apply fails, the caller removes the directory. Nobody else may write to the directory meanwhile.
func Apply(dir, lower int, archive io.Reader, o Options) (Summary, error) {
	a := &applier{tree: newTree(dir, lower, o.UserXattr), options: o, buffer: make([]byte, 256<<10)}
	defer a.close()
	if err := a.budget.start(dir, o.Limits); err != nil {
		return a.summary, err
	}
	stream := &meter{archive, &a.budget}
	reader := tar.NewReader(stream)
	if err := a.startRoot(); err != nil {
		return a.summary, err
	}
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return a.summary, fmt.Errorf("read the tar file of a layer: %w", err)
		}
		a.summary.Entries++
		if err := a.entry(header, reader); err != nil {
			return a.summary, fmt.Errorf("unpack %q of a layer: %w", shortened(header.Name), err)
		}
	}
	// After its end, a tar file may be padded.
	if _, err := io.Copy(io.Discard, stream); err != nil {
		return a.summary, fmt.Errorf("read the tar file of a layer: %w", err)
	}
	// What is made in a directory changes the times of the directory.
	return a.summary, a.setTimes(a.root)
}

// shortened keeps a line of an error readable.
func shortened(name string) string {
	const most = 200
	if len(name) > most {
		return name[:most] + "…"
	}
	return name
}

// ChainIDs returns the chain ID of each layer, the lowest layer first: it names a layer together with all layers below it.
// https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#layer-chainid
func ChainIDs(diffIDs []string) []string {
	chain := make([]string, len(diffIDs))
	for i, id := range diffIDs {
		chain[i] = id
		if i > 0 {
			chain[i] = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(chain[i-1]+" "+id)))
		}
	}
	return chain
}

// startRoot gives the layer's root directory the attributes that the root directory has below: overlay shows those of the highest layer.
func (a *applier) startRoot() error {
	if a.lower >= 0 {
		return a.copyDirectory(a.root)
	}
	fd, err := a.fd(a.root)
	if err != nil {
		return err
	}
	return errors.Join(unix.Fchown(fd, 0, 0), unix.Fchmod(fd, 0o755))
}
