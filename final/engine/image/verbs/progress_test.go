//go:build linux

package verbs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/ingest"
)

func TestABarShowsHowMuchIsThere(t *testing.T) {
	d := image.Descriptor{Digest: "sha256:" + strings.Repeat("ab", 32), Size: 2_000_000}
	for bytes, want := range map[int64]string{
		0:         "abababababab downloading [                        ] 0 B of 2.0 MB",
		1_000_000: "abababababab downloading [============            ] 1.0 MB of 2.0 MB",
		2_000_000: "abababababab downloading [========================] 2.0 MB of 2.0 MB",
		// A registry that sends too much is refused, a moment later.
		9_000_000: "abababababab downloading [========================] 9.0 MB of 2.0 MB",
	} {
		b := bar{layer: d, what: ingest.Downloading, bytes: bytes}
		assert.Equal(t, want, b.text(80))
		assert.Equal(t, want[:30], b.text(30))
	}
	d.Size = 0
	assert.Contains(t, (&bar{layer: d, what: ingest.Uploading}).text(80), "[========================] 0 B of 0 B")
	assert.Equal(t, "abababababab complete    0 B", (&bar{layer: d, what: ingest.Complete}).text(80))
}

func TestSizesAreReadable(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 1_500_000: "1.5 MB", 2_000_000_000: "2.0 GB", 5_000_000_000_000: "5.0 TB", 5_000_000_000_000_000: "5000.0 TB"} {
		assert.Equal(t, want, size(n))
	}
}
