/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From reset to main on CPU 0, to cpu_main on the other; exceptions to C; and down to a lower
 * exception level and back. The offsets are those of struct cpu and struct frame (runtime.h),
 * which runtime.c checks.
 */
#define CPU_X    0
#define CPU_LR   152
#define CPU_PC   160
#define CPU_SPSR 168
#define CPU_ESR  176
#define CPU_FAR  184

#define FRAME_BYTES 288
#define FRAME_ELR   248
#define FRAME_ESR   264

	.macro on_el2 label
	mrs	x9, CurrentEL
	cmp	x9, #(2 << 2)
	b.eq	\label
	.endm

	.section .text.start, "ax"
	.globl	_start
_start:
	adrp	x1, bss_begin
	add	x1, x1, :lo12:bss_begin
	adrp	x2, bss_end
	add	x2, x2, :lo12:bss_end
1:	cmp	x1, x2
	b.hs	2f
	stp	xzr, xzr, [x1], #16
	b	1b
2:	adrp	x0, cpus
	add	x0, x0, :lo12:cpus
	adrp	x1, stack_of_cpu0
	add	x1, x1, :lo12:stack_of_cpu0
	bl	begin
	bl	main
	bl	leave
	b	.

	/* x0: struct cpu, as PSCI's context argument. */
	.globl	cpu_entry
cpu_entry:
	adrp	x1, stack_of_cpu1
	add	x1, x1, :lo12:stack_of_cpu1
	bl	begin
	bl	cpu_main
	b	.

/* x0: struct cpu; x1: end of the stack. Keeps x0. */
begin:
	mov	sp, x1
	on_el2	1f
	adrp	x2, vectors_el1
	add	x2, x2, :lo12:vectors_el1
	msr	vbar_el1, x2
	msr	tpidr_el1, x0
	isb
	ret
1:	adrp	x2, vectors_el2
	add	x2, x2, :lo12:vectors_el2
	msr	vbar_el2, x2
	msr	tpidr_el2, x0
	isb
	ret

	.macro	bad_vector number
	.balign	128
	mov	x0, #\number
	bl	on_bad_vector
	.endm

	.macro	vectors level
	.balign	2048
vectors_\level:
	bad_vector 0
	bad_vector 1
	bad_vector 2
	bad_vector 3
	.balign	128
	b	own_\level
	bad_vector 5
	bad_vector 6
	bad_vector 7
	.balign	128
	b	lower_\level
	bad_vector 9
	bad_vector 10
	bad_vector 11
	bad_vector 12
	bad_vector 13
	bad_vector 14
	bad_vector 15

/* An exception of this level: all registers into a struct frame, C may change them. */
own_\level:
	sub	sp, sp, #FRAME_BYTES
	stp	x0, x1, [sp]
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	stp	x8, x9, [sp, #64]
	stp	x10, x11, [sp, #80]
	stp	x12, x13, [sp, #96]
	stp	x14, x15, [sp, #112]
	stp	x16, x17, [sp, #128]
	stp	x18, x19, [sp, #144]
	stp	x20, x21, [sp, #160]
	stp	x22, x23, [sp, #176]
	stp	x24, x25, [sp, #192]
	stp	x26, x27, [sp, #208]
	stp	x28, x29, [sp, #224]
	str	x30, [sp, #240]
	mrs	x0, elr_\level
	mrs	x1, spsr_\level
	stp	x0, x1, [sp, #FRAME_ELR]
	mrs	x0, esr_\level
	mrs	x1, far_\level
	stp	x0, x1, [sp, #FRAME_ESR]
	mov	x0, sp
	bl	on_exception
	ldp	x0, x1, [sp, #FRAME_ELR]
	msr	elr_\level, x0
	msr	spsr_\level, x1
	b	restore

/* The way back from a lower level: as if enter returned. */
lower_\level:
	stp	x0, x1, [sp, #-16]!
	mrs	x0, tpidr_\level
	stp	x2, x3, [x0, #CPU_X + 16]
	ldp	x2, x3, [sp], #16
	stp	x2, x3, [x0, #CPU_X]
	mrs	x2, elr_\level
	mrs	x3, spsr_\level
	stp	x2, x3, [x0, #CPU_PC]
	mrs	x2, esr_\level
	mrs	x3, far_\level
	stp	x2, x3, [x0, #CPU_ESR]
	b	come_back

go_down_\level:
	ldp	x1, x2, [x0, #CPU_PC]
	msr	elr_\level, x1
	msr	spsr_\level, x2
	b	load_registers
	.endm

	.text
	vectors	el1
	vectors	el2

restore:
	ldp	x2, x3, [sp, #16]
	ldp	x4, x5, [sp, #32]
	ldp	x6, x7, [sp, #48]
	ldp	x8, x9, [sp, #64]
	ldp	x10, x11, [sp, #80]
	ldp	x12, x13, [sp, #96]
	ldp	x14, x15, [sp, #112]
	ldp	x16, x17, [sp, #128]
	ldp	x18, x19, [sp, #144]
	ldp	x20, x21, [sp, #160]
	ldp	x22, x23, [sp, #176]
	ldp	x24, x25, [sp, #192]
	ldp	x26, x27, [sp, #208]
	ldp	x28, x29, [sp, #224]
	ldr	x30, [sp, #240]
	ldp	x0, x1, [sp]
	add	sp, sp, #FRAME_BYTES
	eret

/*
 * void enter(struct cpu *cpu): runs at the level that cpu->spsr says, from cpu->pc on, until
 * an exception. What runs there (stub.S) keeps x19 to x29.
 */
	.globl	enter
enter:
	stp	x29, x30, [sp, #-96]!
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	on_el2	go_down_el2
	b	go_down_el1

load_registers:
	ldr	x30, [x0, #CPU_LR]
	ldr	x18, [x0, #CPU_X + 144]
	ldp	x16, x17, [x0, #CPU_X + 128]
	ldp	x14, x15, [x0, #CPU_X + 112]
	ldp	x12, x13, [x0, #CPU_X + 96]
	ldp	x10, x11, [x0, #CPU_X + 80]
	ldp	x8, x9, [x0, #CPU_X + 64]
	ldp	x6, x7, [x0, #CPU_X + 48]
	ldp	x4, x5, [x0, #CPU_X + 32]
	ldp	x2, x3, [x0, #CPU_X + 16]
	ldp	x0, x1, [x0, #CPU_X]
	eret

come_back:
	stp	x4, x5, [x0, #CPU_X + 32]
	stp	x6, x7, [x0, #CPU_X + 48]
	stp	x8, x9, [x0, #CPU_X + 64]
	stp	x10, x11, [x0, #CPU_X + 80]
	stp	x12, x13, [x0, #CPU_X + 96]
	stp	x14, x15, [x0, #CPU_X + 112]
	stp	x16, x17, [x0, #CPU_X + 128]
	str	x18, [x0, #CPU_X + 144]
	str	x30, [x0, #CPU_LR]
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldp	x25, x26, [sp, #64]
	ldp	x27, x28, [sp, #80]
	ldp	x29, x30, [sp], #96
	ret

/* uint64_t semihost(uint64_t operation, const void *argument) */
	.globl	semihost
semihost:
	hlt	#0xf000
	ret

/* uint64_t psci_by_hvc(function, a, b, c), psci_by_smc(...) */
	.globl	psci_by_hvc
psci_by_hvc:
	hvc	#0
	ret
	.globl	psci_by_smc
psci_by_smc:
	smc	#0
	ret

	.bss
	.balign	16
	.space	0x8000
stack_of_cpu0:
	.space	0x8000
stack_of_cpu1:
