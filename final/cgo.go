//go:build linux && cgo

package main

// This file makes a build with C fail, and the error says what to type. A program with C needs a dynamic linker. When final joins
// a container, the kernel would take the dynamic linker from the container, and run it with the rights of the host's root. Go builds
// with C if a C compiler is installed, because package net, which our dependencies import, then has parts in C.
var _ int = "final must not contain C: type CGO_ENABLED=0 go build -o build/ ./final, or first go env -w CGO_ENABLED=0"
