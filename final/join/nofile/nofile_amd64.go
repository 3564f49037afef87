//go:build linux

package nofile

// prlimit64 is the number of the system call. prlimit(2)
const prlimit64 = 302
