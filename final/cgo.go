//go:build linux && cgo

package main

// This file makes a build with C fail, and the error says what to type. A program with C needs a dynamic linker. With --init, final is
// process 1 of the container, and the kernel would take the dynamic linker from the container, which may have none. Go builds with C if
// a C compiler is installed, because package net, which our dependencies import, then has parts in C.
var _ int = "final must not contain C: type CGO_ENABLED=0 go build -o build/ ./final, or first go env -w CGO_ENABLED=0"
