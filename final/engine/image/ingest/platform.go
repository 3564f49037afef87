//go:build linux

package ingest

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"container-workshop/final/engine/image"
)

// runs reports how well a platform fits this machine: 0 is not at all, and a higher number is better.
func runs(p *image.Platform) int {
	if p.OS != "linux" || p.Architecture != runtime.GOARCH {
		return 0
	}
	return slices.Index(variants, p.Variant) + 1
}

// choose returns the manifest of an index that is for this machine.
func choose(m *image.Manifest) (*image.Descriptor, error) {
	var best *image.Descriptor
	fit, others := 0, []string{}
	for i, d := range m.Manifests {
		if d.Platform == nil || !image.IsManifest(d.MediaType) {
			continue
		}
		if fits := runs(d.Platform); fits > fit {
			best, fit = &m.Manifests[i], fits
		}
		// Builders put what they know about an image beside the image, as if for a platform of this name.
		if d.Platform.OS != "unknown" {
			others = append(others, d.Platform.String())
		}
	}
	if best == nil {
		platforms := cmp.Or(strings.Join(others[:min(len(others), 20)], ", "), "no platform")
		return nil, fmt.Errorf("the image is for %s, and this machine is linux/%s", platforms, runtime.GOARCH)
	}
	return best, nil
}
