//go:build linux

package archive

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"runtime"
	"time"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/ingest"
)

// Import makes an image of a tar file with a root file system: the image has one layer, which is this file as it is.
func Import(ctx context.Context, adder *ingest.Adder, input *os.File, settings image.Settings, names []string) (*image.Image, error) {
	file := input
	if _, err := input.Seek(0, io.SeekStart); err != nil {
		// The layer is read more than once, and a pipe cannot be.
		if file, err = Nameless(adder.Store.Ingest("")); err != nil {
			return nil, err
		}
		defer file.Close()
		if err := fill(file, input, adder.Store.Ingest("")); err != nil {
			return nil, err
		}
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	layer := io.NewSectionReader(file, 0, info.Size())
	d, err := describe(layer)
	if err != nil {
		return nil, err
	}
	diffID, err := plainDigest(io.NewSectionReader(file, 0, info.Size()))
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	config, err := json.Marshal(&image.Config{Created: &now, OS: "linux", Architecture: runtime.GOARCH, Config: settings,
		RootFS:  image.RootFS{Type: "layers", DiffIDs: []string{diffID}},
		History: []image.History{{Created: &now, CreatedBy: "final import"}}})
	if err != nil {
		return nil, err
	}
	full, err := fullNames(names, true)
	if err != nil {
		return nil, err
	}
	adder.Source = one{layer}
	return adder.AddMade(ctx, config, []image.Descriptor{d}, full...)
}

// plainDigest is the digest of a layer's tar file, after decompression.
func plainDigest(content io.Reader) (string, error) {
	reader := bufio.NewReaderSize(content, 256<<10)
	tar, err := ingest.Decompress(reader, ingest.Compression(reader))
	if err != nil {
		return "", err
	}
	defer tar.Close()
	d, err := describe(tar)
	return d.Digest, err
}

// one is a source with a single blob.
type one struct{ *io.SectionReader }

func (o one) Open(_ context.Context, _ image.Descriptor, offset int64) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(o.SectionReader, offset, o.Size()-offset)), nil
}
