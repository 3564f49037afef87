//go:build linux

#include "textflag.h"

// The addresses of the three, for Go.
DATA ·handlers+0(SB)/8, $caught<>(SB)
DATA ·handlers+8(SB)/8, $fault<>(SB)
DATA ·handlers+16(SB)/8, $restore<>(SB)
GLOBL ·handlers(SB), RODATA|NOPTR, $24

#define getpid 39
#define futex 202
#define wakePrivate 129

// The kernel calls caught, on the signal stack of a thread, with the number of the signal in DI. caught notes the number, and wakes
// await. A child between clone and execve has this handler and this memory, too: a signal for the child is not for us.
TEXT caught<>(SB),NOSPLIT|NOFRAME,$0
	MOVL DI, R8
	MOVL $getpid, AX
	SYSCALL
	CMPL AX, ·catcher(SB)
	JNE  done
	LEAQ ·arrived(SB), R9
	MOVL $1, (R9)(R8*4)
	LEAQ ·anything(SB), DI
	MOVL $1, (DI)
	MOVL $wakePrivate, SI
	MOVL $1, DX
	MOVL $futex, AX
	SYSCALL

done:
	RET

// fault is caught for signals such as SIGSEGV. If the kernel sends the signal, si_code is above 0: this program has made a mistake, and
// the handler of the Go runtime deals with the mistake. sigaction(2)
TEXT fault<>(SB),NOSPLIT|NOFRAME,$0
	CMPL 8(SI), $0
	JLE  ours
	MOVQ ·goHandler(SB), AX
	JMP  AX

ours:
	JMP caught<>(SB)

// restore lets the thread go on where the signal has interrupted it. sigreturn(2)
TEXT restore<>(SB),NOSPLIT|NOFRAME,$0
	MOVL $15, AX
	SYSCALL
	INT  $3
