//go:build linux && !cgo

package namespace

// static says that this program needs no dynamic linker.
const static = true
