//go:build linux && cgo

package join

// static is false where the C library may be in this program: then execve looks for its linker in the container.
const static = false
