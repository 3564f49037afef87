//go:build linux

// Package image runs on the host side, in the final that you started. It knows what images are called, and where they are kept: a name leads
// to a manifest, the manifest to a configuration and to layers, and each of these is a file named by the digest of its content. The package
// only reads and names: what downloads, unpacks and verifies images is in the packages below, and runs in final-helper.
package image

import (
	"fmt"
	"strings"
	"time"
)

// A Descriptor names a blob: what it is, the digest of its bytes, and how many they are.
// https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md
type Descriptor struct {
	MediaType    string            `json:"mediaType,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Platform     *Platform         `json:"platform,omitempty"`
}

// A Platform is the kind of machine that an image is for.
type Platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	OSVersion    string `json:"os.version,omitempty"`
	Variant      string `json:"variant,omitempty"`
}

// A Manifest lists the parts of an image. An index has the same shape but for one field: Manifests, one for each platform. No document may
// be both: two programs could take it for different images. CVE-2021-41190
type Manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType,omitempty"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        *Descriptor       `json:"config,omitempty"`
	Layers        []Descriptor      `json:"layers,omitempty"`
	Manifests     []Descriptor      `json:"manifests,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// A Config says what to run and how. https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md
type Config struct {
	Created      *time.Time `json:"created,omitempty"`
	Author       string     `json:"author,omitempty"`
	Architecture string     `json:"architecture"`
	OS           string     `json:"os"`
	OSVersion    string     `json:"os.version,omitempty"`
	Variant      string     `json:"variant,omitempty"`
	Config       Settings   `json:"config"`
	RootFS       RootFS     `json:"rootfs"`
	History      []History  `json:"history,omitempty"`
}

// Settings are the defaults for a container of the image.
type Settings struct {
	User         string              `json:"User,omitempty"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
	Env          []string            `json:"Env,omitempty"`
	Entrypoint   []string            `json:"Entrypoint,omitempty"`
	Cmd          []string            `json:"Cmd,omitempty"`
	Volumes      map[string]struct{} `json:"Volumes,omitempty"`
	WorkingDir   string              `json:"WorkingDir,omitempty"`
	Labels       map[string]string   `json:"Labels,omitempty"`
	StopSignal   string              `json:"StopSignal,omitempty"`
	// Healthcheck is Docker's.
	Healthcheck *Healthcheck `json:"Healthcheck,omitempty"`
}

// A Healthcheck is a command that says whether a container is well. final only shows it. The times are in nanoseconds.
type Healthcheck struct {
	Test        []string      `json:",omitempty"`
	Interval    time.Duration `json:",omitempty"`
	Timeout     time.Duration `json:",omitempty"`
	StartPeriod time.Duration `json:",omitempty"`
	Retries     int           `json:",omitempty"`
}

// A RootFS has the digests of the layers' tar files as they are after decompression, the bottom layer first.
type RootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

// A History is a step of the build.
type History struct {
	Created    *time.Time `json:"created,omitempty"`
	CreatedBy  string     `json:"created_by,omitempty"`
	Author     string     `json:"author,omitempty"`
	Comment    string     `json:"comment,omitempty"`
	EmptyLayer bool       `json:"empty_layer,omitempty"`
}

// The media types of OCI and of Docker. A program for one of them understands the documents of the other, too.
const (
	TypeIndex          = "application/vnd.oci.image.index.v1+json"
	TypeManifest       = "application/vnd.oci.image.manifest.v1+json"
	TypeConfig         = "application/vnd.oci.image.config.v1+json"
	TypeLayer          = "application/vnd.oci.image.layer.v1.tar"
	TypeLayerGzip      = TypeLayer + "+gzip"
	TypeLayerZstd      = TypeLayer + "+zstd"
	DockerIndex        = "application/vnd.docker.distribution.manifest.list.v2+json"
	DockerManifest     = "application/vnd.docker.distribution.manifest.v2+json"
	DockerConfig       = "application/vnd.docker.container.image.v1+json"
	DockerLayer        = "application/vnd.docker.image.rootfs.diff.tar"
	DockerLayerGzip    = DockerLayer + ".gzip"
	DockerLayerZstd    = DockerLayer + ".zstd"
	dockerForeignLayer = "application/vnd.docker.image.rootfs.foreign.diff.tar"
	ociForeignLayer    = "application/vnd.oci.image.layer.nondistributable.v1.tar"
)

// IsIndex and IsManifest report what a media type stands for.
func IsIndex(mediaType string) bool { return mediaType == TypeIndex || mediaType == DockerIndex }
func IsManifest(mediaType string) bool {
	return mediaType == TypeManifest || mediaType == DockerManifest
}

// Compression returns how a layer is compressed: "", "gzip" or "zstd". It refuses what is not a layer that we can have.
func Compression(mediaType string) (string, error) {
	switch mediaType {
	case TypeLayer, DockerLayer:
		return "", nil
	case TypeLayerGzip, DockerLayerGzip:
		return "gzip", nil
	case TypeLayerZstd, DockerLayerZstd:
		return "zstd", nil
	}
	if strings.HasPrefix(mediaType, dockerForeignLayer) || strings.HasPrefix(mediaType, ociForeignLayer) {
		return "", fmt.Errorf("layer of type %q: a foreign layer is not in the registry, and final does not fetch layers from elsewhere", mediaType)
	}
	return "", fmt.Errorf("layer of type %q: must be a tar file, plain or compressed with gzip or zstd", mediaType)
}

// CheckDigest refuses a digest that is no SHA-256. Digests become the names of files, so nothing else may pass.
func CheckDigest(digest string) error {
	algorithm, hex, found := strings.Cut(digest, ":")
	switch {
	case !found:
		return fmt.Errorf("digest %q: must be sha256: and 64 lowercase hexadecimal digits", digest)
	case algorithm != "sha256":
		return fmt.Errorf("digest %q: %s is not supported, only sha256", digest, algorithm)
	case len(hex) != 64 || strings.Trim(hex, "0123456789abcdef") != "":
		return fmt.Errorf("digest %q: must be sha256: and 64 lowercase hexadecimal digits", digest)
	}
	return nil
}

// Hex is the name of the file of a checked digest.
func Hex(digest string) string { return strings.TrimPrefix(digest, "sha256:") }

// String is how people write a platform.
func (p Platform) String() string {
	return strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/")
}
