//go:build linux

#include "go_asm.h"
#include "textflag.h"

#define SYS_READ 0
#define SYS_SENDTO 44
#define SYS_EXIT_GROUP 231
#define MSG_NOSIGNAL 0x4000

// Go finds the machine by this variable. Without the variable the linker would leave the machine out.
DATA ·machine(SB)/8, $machine<>(SB)
GLOBL ·machine(SB), RODATA, $8

// ARGUMENT loads an argument into its register. If its bit in BX is set, it is the number of a slot, which is replaced by its value.
#define ARGUMENT(number, register) \
	MOVQ (op_arg+8*number)(R12), register; \
	BTL  $number, BX; \
	JCC  2(PC); \
	MOVQ (R13)(register*8), register

// The machine makes the calls of a list, in a process of its own: Go never calls the machine. It reads each call from an op (call.go),
// and uses no stack. R12 is the op, R13 the slots, R14 the first op, R15 whether the call failed. A system call changes AX, CX and R11.
TEXT machine<>(SB),NOSPLIT|NOFRAME,$0
	MOVQ $(const_dataStart+const_codeEnd), AX
	MOVQ 0(AX), R14
	MOVQ 8(AX), R13
	MOVQ R14, R12

// Make the call of an op.
call:
	MOVL op_slots(R12), BX
	ARGUMENT(0, DI)
	ARGUMENT(1, SI)
	ARGUMENT(2, DX)
	ARGUMENT(3, R10)
	ARGUMENT(4, R8)
	ARGUMENT(5, R9)
	XORL R15, R15
	MOVQ op_nr(R12), AX
	CMPQ AX, $const_doSet
	JEQ  set
	CMPQ AX, $const_doLoad
	JEQ  load
	CMPQ AX, $const_doStore
	JEQ  store
	CMPQ AX, $const_doFail
	JEQ  fail
	SYSCALL

result:
	// Results from -4095 to -1 are errors.
	CMPQ AX, $-4095
	JCS  keep
	MOVL $1, R15
	JMP  cases

set:
	MOVQ DI, AX
	JMP  keep

load:
	MOVL (DI), AX
	ANDL SI, AX
	JMP  keep

store:
	MOVL SI, (DI)
	MOVL SI, AX
	JMP  keep

fail:
	MOVQ DI, AX
	JMP  result

// The call has not failed: leave the result in the slot.
keep:
	MOVL op_out(R12), BX
	CMPL BX, $const_none
	JEQ  cases
	MOVQ AX, (R13)(BX*8)

// Go on at the target of the case with this result.
cases:
	MOVL op_cases(R12), CX
	LEAQ op_value(R12), BX
	LEAQ op_target(R12), DX

case:
	SUBL $1, CX
	JCS  nocase
	CMPQ AX, (BX)
	JEQ  jump
	ADDQ $8, BX
	ADDQ $4, DX
	JMP  case

jump:
	MOVL  (DX), R12
	IMULQ $op__size, R12
	ADDQ  R14, R12
	JMP   call

// Go on with the next op, unless the call has failed and this is not ignored.
nocase:
	TESTL R15, R15
	JEQ   next
	MOVL  op_text(R12), CX
	CMPL  CX, $const_ignored
	JNE   report

next:
	ADDQ  $op__size, R12
	JMP   call

report:
	// 0, number of the op, -errno, length of the text, text: see reportSize.
	MOVQ $const_zeroStart, BX
	MOVL AX, 8(BX)
	SUBQ R14, R12
	SHRQ $7, R12
	MOVL R12, 4(BX)
	CMPL CX, $const_none
	JEQ  send
	MOVQ (R13)(CX*8), DI
	LEAQ const_reportHead(BX), SI
	MOVL $const_textSize, DX
	MOVL $SYS_READ, AX
	SYSCALL
	TESTQ AX, AX
	JLT  send
	MOVL AX, 12(BX)

// Send the report to the socket in slot 0, without SIGPIPE.
send:
	MOVQ (R13), DI
	MOVQ BX, SI
	MOVL 12(BX), DX
	ADDL $const_reportHead, DX
	MOVL $MSG_NOSIGNAL, R10
	XORL R8, R8
	XORL R9, R9
	MOVL $SYS_SENDTO, AX
	SYSCALL

exit:
	MOVL $125, DI
	MOVL $SYS_EXIT_GROUP, AX
	SYSCALL
	JMP  exit

	// endMark
	QUAD $0x6c6c61666f646e65
	RET
