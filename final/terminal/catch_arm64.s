//go:build linux

#include "textflag.h"

// The addresses of the two, for Go. The kernel of this architecture needs nobody to restore the thread. sigreturn(2)
DATA ·handlers+0(SB)/8, $caught<>(SB)
DATA ·handlers+8(SB)/8, $fault<>(SB)
DATA ·handlers+16(SB)/8, $0
GLOBL ·handlers(SB), RODATA|NOPTR, $24

#define getpid 172
#define futex 98
#define wakePrivate 129

// The kernel calls caught, on the signal stack of a thread, with the number of the signal in R0. caught notes the number, and wakes
// await. A child between clone and execve has this handler and this memory, too: a signal for the child is not for us.
TEXT caught<>(SB),NOSPLIT|NOFRAME,$0
	MOVW R0, R9
	MOVD $getpid, R8
	SVC
	MOVW ·catcher(SB), R10
	CMPW R0, R10
	BNE  done
	MOVD $·arrived(SB), R10
	ADD  R9<<2, R10
	MOVW $1, R11
	MOVW R11, (R10)
	MOVD $·anything(SB), R0
	STLRW R11, (R0)
	MOVD $wakePrivate, R1
	MOVD $1, R2
	MOVD $futex, R8
	SVC

done:
	RET

// fault is caught for signals such as SIGSEGV. If the kernel sends the signal, si_code is above 0: this program has made a mistake, and
// the handler of the Go runtime deals with the mistake. sigaction(2)
TEXT fault<>(SB),NOSPLIT|NOFRAME,$0
	MOVW 8(R1), R9
	CMPW $0, R9
	BLE  ours
	MOVD ·goHandler(SB), R9
	JMP  (R9)

ours:
	JMP caught<>(SB)
