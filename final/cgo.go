//go:build linux && cgo

package main

// A program that joins a container is executed in the container's mount namespace. If the C library were in final, the kernel would look for
// the dynamic linker there, and run the container's linker with the rights of the host. So this build fails, and says what to type.
var _ int = "build final without the C library: CGO_ENABLED=0 go build ./final"
