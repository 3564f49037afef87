#include "textflag.h"

// The linker's flag -E makes this the first instruction of the program. rt_sigaction(2), rt_sigprocmask(2), prlimit(2)
TEXT ·entry(SB),NOSPLIT|NOFRAME,$0
	MOVQ $1, R12
	LEAQ ·actions(SB), R13
next:
	MOVQ R12, DI
	XORQ SI, SI
	MOVQ R13, DX
	MOVQ $8, R10
	MOVQ $13, AX
	SYSCALL
	ADDQ $32, R13
	INCQ R12
	CMPQ R12, $65
	JNE  next

	XORQ DI, DI
	XORQ SI, SI
	LEAQ ·blocked(SB), DX
	MOVQ $8, R10
	MOVQ $14, AX
	SYSCALL

	XORQ DI, DI
	MOVQ $7, SI
	XORQ DX, DX
	LEAQ ·openFiles(SB), R10
	MOVQ $302, AX
	SYSCALL

	MOVQ $1, ·early(SB)
	XORQ DX, DX
	JMP  _rt0_amd64_linux(SB)
