#include "textflag.h"

TEXT ·rawSyscall6(SB),NOSPLIT,$0-80
	JMP syscall·RawSyscall6(SB)
