/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How each CPU starts, at EL2, with its MMU and caches off: exclusive accesses and
 * broadcast invalidations, on which the library and locks rest, need both on.
 *
 * CPU 0 goes to `start`, any other one to `start_second`: C functions, each on a stack of
 * its own.
 */
#define STACK_SHIFT 14 /* bytes of a stack: image.lds has two */

#define MAIR  0x04ff     /* 0 normal, write-back; 1 device nGnRE */
#define TCR   0x80823519 /* T0SZ 25: 39 bits; write-back, inner shareable walks; PS 40 bits */
#define SCTLR 0x30c5183d /* M, C, I, SA, and what is RES1 */

	.section .text.start, "ax"
	.global _start
_start:
	adrp	x0, boot_table
	msr	ttbr0_el2, x0
	ldr	x0, =MAIR
	msr	mair_el2, x0
	ldr	x0, =TCR
	msr	tcr_el2, x0
	mov	x0, #1 << 31 /* RW: EL1 is AArch64. No stage 2 yet */
	msr	hcr_el2, x0
	ldr	x0, =vectors
	msr	vbar_el2, x0
	tlbi	alle2
	tlbi	alle1
	dsb	nsh
	isb
	ldr	x0, =SCTLR
	msr	sctlr_el2, x0
	isb

	mrs	x19, mpidr_el1
	and	x19, x19, #0xff
	ldr	x0, =stacks_end
	sub	x0, x0, x19, lsl #STACK_SHIFT
	mov	sp, x0
	cbnz	x19, start_second

	ldr	x0, =bss_begin
	ldr	x1, =bss_end
1:	stp	xzr, xzr, [x0], #16
	cmp	x0, x1
	b.lo	1b
	b	start

/* Every address maps to itself, in blocks of 1 GiB: devices in the first, then 3 of memory. */
	.section .rodata.boot_table, "a"
	.balign	4096
boot_table:
	.quad	0x0040000000000445                /* AF, AttrIndx 1, XN; AP[1] is RES1 */
	.quad	0x40000741, 0x80000741, 0xc0000741 /* AF, inner shareable, AttrIndx 0 */
	.fill	508, 8, 0
