//go:build linux

package command

// machine is the processor that we run on, as ELF files name it: EM_AARCH64. elf(5)
const machine = 183
