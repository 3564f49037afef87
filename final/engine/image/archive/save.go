//go:build linux

package archive

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"

	"container-workshop/final/engine/image"
)

// Save writes images as a tar file that is both a layout of the OCI and an archive of docker save: the parts are the same files, and each
// format has its own list of them, index.json and manifest.json. An entry may come several times, with other names.
func Save(store *image.Store, entries []image.Entry, to io.Writer) error {
	w := &writer{tar.NewWriter(to), store, map[string]bool{}}
	index := image.Manifest{SchemaVersion: 2, MediaType: image.TypeIndex}
	docker := []dockerImage{}
	at := map[string]int{}
	for _, e := range entries {
		if err := w.image(e, &docker, at); err != nil {
			return fmt.Errorf("save %s: %w", e.Name, err)
		}
		d := e.Manifest
		if r, err := image.ParseReference(e.Name, image.DefaultRegistry); err == nil {
			d.Annotations = map[string]string{annotationFullName: e.Name, annotationName: e.Name}
			if r.Tag != "" {
				i := &docker[at[d.Digest]]
				i.RepoTags = append(i.RepoTags, e.Name)
			}
		}
		index.Manifests = append(index.Manifests, d)
	}
	for _, document := range []struct {
		name  string
		value any
	}{{"index.json", index}, {"manifest.json", docker}, {"oci-layout", map[string]string{"imageLayoutVersion": "1.0.0"}}} {
		content, err := json.Marshal(document.value)
		if err != nil {
			return err
		}
		if err := w.file(document.name, int64(len(content))); err != nil {
			return err
		}
		if _, err := w.Write(content); err != nil {
			return err
		}
	}
	return w.Close()
}

// SaveFile saves images into a file, which appears when it is complete. It is compressed if its name says so.
func SaveFile(store *image.Store, entries []image.Entry, name string) error {
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	defer file.Close()
	err = file.Chmod(0o644)
	if err == nil && (strings.HasSuffix(name, ".gz") || strings.HasSuffix(name, ".tgz")) {
		compressed := gzip.NewWriter(file)
		err = errors.Join(Save(store, entries, compressed), compressed.Close())
	} else if err == nil {
		err = Save(store, entries, file)
	}
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

type writer struct {
	*tar.Writer
	store   *image.Store
	written map[string]bool
}

// image writes the blobs of an image that are not in the file yet.
func (w *writer) image(e image.Entry, docker *[]dockerImage, at map[string]int) error {
	i, err := w.store.Read(e.Manifest.Digest)
	if err != nil {
		return err
	}
	if _, known := at[i.Digest]; known {
		return nil
	}
	entry := dockerImage{Config: blobName(i.Manifest.Config.Digest), RepoTags: []string{}}
	for _, d := range slices.Concat([]image.Descriptor{e.Manifest, *i.Manifest.Config}, i.Manifest.Layers) {
		if err := w.blob(d.Digest); err != nil {
			return err
		}
	}
	for _, d := range i.Manifest.Layers {
		entry.Layers = append(entry.Layers, blobName(d.Digest))
	}
	at[i.Digest] = len(*docker)
	*docker = append(*docker, entry)
	return nil
}

func blobName(digest string) string { return path.Join("blobs/sha256", image.Hex(digest)) }

func (w *writer) blob(digest string) error {
	if w.written[digest] {
		return nil
	}
	w.written[digest] = true
	file, err := os.Open(w.store.Blob(digest))
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := w.file(blobName(digest), info.Size()); err != nil {
		return err
	}
	_, err = io.Copy(w, file)
	return err
}

func (w *writer) file(name string, size int64) error {
	return w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: size})
}
