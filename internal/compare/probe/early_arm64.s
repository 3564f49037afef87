#include "textflag.h"

// The linker's flag -E makes this the first instruction of the program. rt_sigaction(2), rt_sigprocmask(2), prlimit(2)
TEXT ·entry(SB),NOSPLIT|NOFRAME,$0
	MOVD $1, R9
	MOVD $·actions(SB), R10
next:
	MOVD R9, R0
	MOVD ZR, R1
	MOVD R10, R2
	MOVD $8, R3
	MOVD $134, R8
	SVC
	ADD  $32, R10
	ADD  $1, R9
	CMP  $65, R9
	BNE  next

	MOVD ZR, R0
	MOVD ZR, R1
	MOVD $·blocked(SB), R2
	MOVD $8, R3
	MOVD $135, R8
	SVC

	MOVD ZR, R0
	MOVD $7, R1
	MOVD ZR, R2
	MOVD $·openFiles(SB), R3
	MOVD $261, R8
	SVC

	MOVD $1, R9
	MOVD R9, ·early(SB)
	JMP  _rt0_arm64_linux(SB)
