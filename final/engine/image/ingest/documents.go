//go:build linux

package ingest

import (
	"encoding/json"
	"runtime"

	"container-workshop/final/engine/image"
)

// The limits of what an image may be. maxDocument is what registries accept as a manifest, and maxLayers what an overlay can stack.
const (
	maxDocument = 4 << 20
	maxLayers   = 500
)

// ParseManifest reads a manifest or an index. It refuses what is not the media type that the registry or the index has promised.
func ParseManifest(content []byte, mediaType string) (*image.Manifest, error) {
	var m image.Manifest
	if err := json.Unmarshal(content, &m); err != nil {
		return nil, refuse("the manifest is no JSON: %v", err)
	}
	index := image.IsIndex(mediaType)
	switch {
	case m.SchemaVersion == 1:
		return nil, refuse("the manifest has Docker's old schema 1: push the image again with a newer program")
	case !index && !image.IsManifest(mediaType):
		return nil, refuse("the manifest has the type %q: final knows manifests and indexes of OCI and of Docker", mediaType)
	case m.SchemaVersion != 2:
		return nil, refuse("the manifest has schemaVersion %d: must be 2", m.SchemaVersion)
	case m.MediaType != "" && m.MediaType != mediaType:
		return nil, refuse("the manifest says that its type is %q, and who gave it to us says %q", m.MediaType, mediaType)
	case m.Manifests != nil && (m.Config != nil || m.Layers != nil):
		return nil, refuse("the manifest has both layers and manifests, and so is two images at once")
	case index && m.Manifests == nil:
		return nil, refuse("the index has no manifests")
	case !index && m.Config == nil:
		return nil, refuse("the manifest has no config")
	}
	for _, d := range m.Manifests {
		if err := check(&d); err != nil {
			return nil, err
		}
	}
	if index {
		return &m, nil
	}
	return &m, checkImage(&m)
}

func checkImage(m *image.Manifest) error {
	if m.Config.MediaType != image.TypeConfig && m.Config.MediaType != image.DockerConfig {
		return refuse("this is no image, but holds a config of type %q", m.Config.MediaType)
	}
	if len(m.Layers) > maxLayers {
		return refuse("the image has %d layers: an overlay takes at most %d", len(m.Layers), maxLayers)
	}
	if err := check(m.Config); err != nil {
		return err
	}
	for _, d := range m.Layers {
		if _, err := image.Compression(d.MediaType); err != nil {
			return refused(err)
		}
		if err := check(&d); err != nil {
			return err
		}
	}
	return nil
}

func check(d *image.Descriptor) error {
	if d.Size < 0 {
		return refuse("%s has %d bytes, says the manifest", d.Digest, d.Size)
	}
	return refused(image.CheckDigest(d.Digest))
}

// ParseConfig reads the configuration that belongs to a manifest. It refuses an image for another machine.
func ParseConfig(content []byte, m *image.Manifest) (*image.Config, error) {
	var c image.Config
	if err := json.Unmarshal(content, &c); err != nil {
		return nil, refuse("the config of the image: %v", err)
	}
	platform := image.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant}
	switch {
	case c.OS == "" || c.Architecture == "":
		return nil, refuse("the config of the image does not say for which machine the image is")
	case runs(&platform) == 0:
		return nil, refuse("the image is for %s, and this machine is linux/%s", platform, runtime.GOARCH)
	case c.RootFS.Type != "layers":
		return nil, refuse("the config of the image has rootfs.type %q: must be layers", c.RootFS.Type)
	case len(c.RootFS.DiffIDs) != len(m.Layers):
		return nil, refuse("the config of the image has %d layers, and the manifest has %d", len(c.RootFS.DiffIDs), len(m.Layers))
	}
	for _, diffID := range c.RootFS.DiffIDs {
		if err := image.CheckDigest(diffID); err != nil {
			return nil, refused(err)
		}
	}
	return &c, nil
}
