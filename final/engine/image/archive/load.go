//go:build linux

package archive

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/ingest"
)

// Annotations with the name of an image. containerd and docker write the full name, and others only the tag, into annotationName.
const (
	annotationFullName = "io.containerd.image.name"
	annotationName     = "org.opencontainers.image.ref.name"
)

// A Loaded is an image that an archive had.
type Loaded struct {
	Names []string
	Image *image.Image
}

// Load adds all images of an archive to a store. If names are given, they are for the only image, in place of those in the archive.
func (a *Archive) Load(ctx context.Context, adder *ingest.Adder, names []string) ([]Loaded, error) {
	adder.Source = a
	var index image.Manifest
	err := a.readJSON("index.json", &index)
	if err == nil {
		return a.loadLayout(ctx, adder, &index, names)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	loaded, err := a.loadDocker(ctx, adder, names)
	if errors.Is(err, errNoImages) {
		return nil, fmt.Errorf("%s has neither index.json nor manifest.json, so it has no images (a root file system: final import)", a.file.Name())
	}
	return loaded, err
}

func (a *Archive) loadLayout(ctx context.Context, adder *ingest.Adder, index *image.Manifest, names []string) ([]Loaded, error) {
	if len(index.Manifests) > maxImages {
		return nil, fmt.Errorf("the archive has %d images: at most %d are loaded at once", len(index.Manifests), maxImages)
	}
	if len(names) > 0 && len(index.Manifests) != 1 {
		return nil, fmt.Errorf("the archive has %d images, and a name is for one", len(index.Manifests))
	}
	// One image may have several names.
	var order []image.Descriptor
	all := map[string][]string{}
	for _, d := range index.Manifests {
		if err := image.CheckDigest(d.Digest); err != nil {
			return nil, fmt.Errorf("index.json: %w", err)
		}
		if _, known := all[d.Digest]; !known {
			order = append(order, d)
		}
		all[d.Digest] = append(all[d.Digest], nameIn(d.Annotations)...)
	}
	var loaded []Loaded
	for _, d := range order {
		given := all[d.Digest]
		if len(names) > 0 {
			given = names
		}
		full, err := fullNames(given, len(names) > 0)
		if err != nil {
			return loaded, err
		}
		added, err := adder.Add(ctx, image.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}, full...)
		if err != nil {
			return loaded, fmt.Errorf("load image %s: %w", strings.Join(append(full, d.Digest)[:1], ""), err)
		}
		loaded = append(loaded, Loaded{full, added})
	}
	return loaded, nil
}

// nameIn returns the name that annotations give to an image. A tag alone is no name.
func nameIn(annotations map[string]string) []string {
	if name := annotations[annotationFullName]; name != "" {
		return []string{name}
	}
	if name := annotations[annotationName]; strings.ContainsAny(name, "/:") {
		return []string{name}
	}
	return nil
}

// fullNames completes the names of an image. An archive can write any digest behind a name, and whoever runs an image by its digest must get
// what a registry has under this digest. So names with a digest are left out, and refused if the caller asked for them.
func fullNames(names []string, asked bool) ([]string, error) {
	var full []string
	for _, name := range names {
		r, err := image.ParseReference(name, image.DefaultRegistry)
		switch {
		case err != nil:
			return nil, err
		case r.Digest == "":
			full = append(full, r.String())
		case asked:
			return nil, fmt.Errorf("image name %q: needs a tag, the digest is the image's own", name)
		}
	}
	return full, nil
}

// A dockerImage is an image in manifest.json of docker save.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

var errNoImages = errors.New("no images")

func (a *Archive) loadDocker(ctx context.Context, adder *ingest.Adder, names []string) ([]Loaded, error) {
	var images []dockerImage
	if err := a.readJSON("manifest.json", &images); errors.Is(err, os.ErrNotExist) {
		return nil, errNoImages
	} else if err != nil {
		return nil, err
	}
	if len(images) > maxImages {
		return nil, fmt.Errorf("the archive has %d images: at most %d are loaded at once", len(images), maxImages)
	}
	if len(names) > 0 && len(images) != 1 {
		return nil, fmt.Errorf("the archive has %d images, and a name is for one", len(images))
	}
	var loaded []Loaded
	for _, i := range images {
		given := i.RepoTags
		if len(names) > 0 {
			given = names
		}
		full, err := fullNames(given, len(names) > 0)
		if err != nil {
			return loaded, err
		}
		config, err := a.document(i.Config)
		if err != nil {
			return loaded, err
		}
		var layers []image.Descriptor
		for _, name := range i.Layers {
			d, err := a.describe(name)
			if err != nil {
				return loaded, err
			}
			layers = append(layers, d)
		}
		added, err := adder.AddMade(ctx, config, layers, full...)
		if err != nil {
			return loaded, fmt.Errorf("load image %s: %w", strings.Join(append(full, i.Config)[:1], ""), err)
		}
		loaded = append(loaded, Loaded{full, added})
	}
	return loaded, nil
}

// describe makes the descriptor of a layer whose name is not its digest.
func (a *Archive) describe(name string) (image.Descriptor, error) {
	if d, known := a.known[name]; known {
		return d, nil
	}
	p, err := a.find(name)
	if err != nil {
		return image.Descriptor{}, err
	}
	d, err := describe(a.section(p))
	if err != nil {
		return d, err
	}
	a.blobs[d.Digest], a.known[name] = name, d
	return d, nil
}

// describe finds digest, size and type of a layer.
func describe(content io.Reader) (image.Descriptor, error) {
	reader := bufio.NewReaderSize(content, 256<<10)
	d := image.Descriptor{MediaType: map[string]string{"": image.TypeLayer, "gzip": image.TypeLayerGzip, "zstd": image.TypeLayerZstd}[ingest.Compression(reader)]}
	hash := sha256.New()
	n, err := io.Copy(hash, reader)
	d.Digest, d.Size = ingest.Sum(hash), n
	return d, err
}
