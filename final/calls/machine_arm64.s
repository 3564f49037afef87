//go:build linux

#include "go_asm.h"
#include "textflag.h"

#define SYS_READ 63
#define SYS_SENDTO 206
#define SYS_EXIT_GROUP 94
#define MSG_NOSIGNAL 0x4000

// Go finds the machine by this variable. Without the variable the linker would leave the machine out.
DATA ·machine(SB)/8, $machine<>(SB)
GLOBL ·machine(SB), RODATA, $8

// ARGUMENT loads an argument into its register. If its bit in R9 is set, it is the number of a slot, which is replaced by its value.
#define ARGUMENT(number, register) \
	MOVD (op_arg+8*number)(R20), register; \
	TBZ  $number, R9, 2(PC); \
	MOVD (R21)(register<<3), register

// The machine makes the calls of a list, in a process of its own: Go never calls the machine. It reads each call from an op (call.go),
// and uses no stack. R20 is the op, R21 the slots, R22 the first op, R23 whether the call failed. A system call changes R0 alone.
TEXT machine<>(SB),NOSPLIT|NOFRAME,$0
	MOVD $(const_dataStart+const_codeEnd), R9
	MOVD 0(R9), R22
	MOVD 8(R9), R21
	MOVD R22, R20

// Make the call of an op.
call:
	MOVWU op_slots(R20), R9
	ARGUMENT(0, R0)
	ARGUMENT(1, R1)
	ARGUMENT(2, R2)
	ARGUMENT(3, R3)
	ARGUMENT(4, R4)
	ARGUMENT(5, R5)
	MOVD ZR, R23
	MOVD op_nr(R20), R8
	MOVD $const_doSet, R9
	SUBS R9, R8, R10
	BLO  system
	BEQ  keep
	CMP  $(const_doLoad-const_doSet), R10
	BEQ  load
	CMP  $(const_doStore-const_doSet), R10
	BEQ  store
	// doFail: the argument is the result.
	B    result

system:
	SVC

result:
	// Results from -4095 to -1 are errors.
	CMN  $4095, R0
	BLO  keep
	MOVD $1, R23
	B    cases

load:
	MOVWU (R0), R0
	AND   R1, R0
	B     keep

store:
	MOVW R1, (R0)
	MOVWU R1, R0

// The call has not failed: leave the result in the slot.
keep:
	MOVWU op_out(R20), R9
	CMPW $const_none, R9
	BEQ  cases
	MOVD R0, (R21)(R9<<3)

// Go on at the target of the case with this result.
cases:
	MOVWU op_cases(R20), R9
	ADD $op_value, R20, R10
	ADD $op_target, R20, R11

case:
	CBZ  R9, nocase
	SUB  $1, R9
	MOVD.P 8(R10), R12
	MOVWU.P 4(R11), R13
	CMP  R12, R0
	BNE  case
	ADD  R13<<7, R22, R20
	B    call

// Go on with the next op, unless the call has failed and this is not ignored.
nocase:
	MOVWU op_text(R20), R10
	CBZ  R23, next
	CMPW $const_ignored, R10
	BNE  report

next:
	ADD  $op__size, R20
	B    call

report:
	// 0, number of the op, -errno, length of the text, text: see reportSize.
	MOVD $const_zeroStart, R19
	MOVW R0, 8(R19)
	SUB  R22, R20, R9
	LSR  $7, R9
	MOVW R9, 4(R19)
	CMPW $const_none, R10
	BEQ  send
	MOVD (R21)(R10<<3), R0
	ADD  $const_reportHead, R19, R1
	MOVD $const_textSize, R2
	MOVD $SYS_READ, R8
	SVC
	TBNZ $63, R0, send
	MOVW R0, 12(R19)

// Send the report to the socket in slot 0, without SIGPIPE.
send:
	MOVD (R21), R0
	MOVD R19, R1
	MOVWU 12(R19), R2
	ADD  $const_reportHead, R2
	MOVD $MSG_NOSIGNAL, R3
	MOVD ZR, R4
	MOVD ZR, R5
	MOVD $SYS_SENDTO, R8
	SVC

exit:
	MOVD $125, R0
	MOVD $SYS_EXIT_GROUP, R8
	SVC
	B    exit

	// endMark
	DWORD $0x6c6c61666f646e65
	RET
