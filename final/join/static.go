//go:build linux && !cgo

package join

// static says that this program needs no dynamic linker.
const static = true
