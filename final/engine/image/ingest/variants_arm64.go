//go:build linux

package ingest

// variants are the variants of the architecture that this machine can run, the best one last. An image without a variant is for all.
var variants = []string{"", "v8"}
