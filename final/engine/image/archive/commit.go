//go:build linux

package archive

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/change"
	"container-workshop/final/engine/image/ingest"
)

// Commit makes an image of what a container has changed: one more layer on those of its image. A container of a root file system gives an
// image of one layer, which is all of its root directory.
func Commit(ctx context.Context, adder *ingest.Adder, tree *change.Tree, q *image.Question) (*image.Image, error) {
	now := time.Now().UTC()
	base := &image.Image{Config: image.Config{OS: "linux", Architecture: runtime.GOARCH,
		Config: image.Settings{Cmd: q.Commit.Command}, RootFS: image.RootFS{Type: "layers"}}}
	if q.Image != "" {
		var err error
		if base, err = adder.Store.Read(q.Image); err != nil {
			return nil, fmt.Errorf("the image of the container: %w", err)
		}
	}
	config := base.Config
	for _, instruction := range q.Commit.Change {
		if err := apply(&config.Config, instruction); err != nil {
			return nil, fmt.Errorf("--change %q: %w", instruction, err)
		}
	}
	names, err := fullNames(q.Commit.Names, true)
	if err != nil {
		return nil, err
	}
	file, err := Nameless(adder.Store.Ingest(""))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(file.Fd()), &fs); err != nil {
		return nil, fmt.Errorf("statfs the storage of images: %w", err)
	}
	// The layer comes to the disk as a tar file, as a blob, and unpacked.
	most := min(int64(fs.Bavail)*fs.Bsize/3, 64<<30)
	hash := sha256.New()
	if err := tree.Write(io.MultiWriter(file, hash), q.Image == "", most); err != nil {
		return nil, err
	}
	size, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	layer := image.Descriptor{MediaType: image.TypeLayer, Digest: ingest.Sum(hash), Size: size}
	config.Created, config.Author = &now, cmp.Or(q.Commit.Author, config.Author)
	config.RootFS.DiffIDs = append(slices.Clone(config.RootFS.DiffIDs), layer.Digest)
	config.History = append(slices.Clone(config.History), image.History{Created: &now, CreatedBy: "final commit", Author: q.Commit.Author, Comment: q.Commit.Message})
	content, err := json.Marshal(&config)
	if err != nil {
		return nil, err
	}
	adder.Source = one{io.NewSectionReader(file, 0, size)}
	return adder.AddMade(ctx, content, append(ociLayers(base.Manifest.Layers), layer), names...)
}

// ociLayers names the types of layers as the OCI does: the manifest of the new image is one of the OCI.
func ociLayers(layers []image.Descriptor) []image.Descriptor {
	types := map[string]string{image.DockerLayer: image.TypeLayer, image.DockerLayerGzip: image.TypeLayerGzip, image.DockerLayerZstd: image.TypeLayerZstd}
	layers = slices.Clone(layers)
	for i := range layers {
		layers[i].MediaType = cmp.Or(types[layers[i].MediaType], layers[i].MediaType)
	}
	return layers
}
