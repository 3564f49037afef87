#include "textflag.h"

TEXT ·rawSyscall6(SB),NOSPLIT,$0-80
	B syscall·RawSyscall6(SB)
