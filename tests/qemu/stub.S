/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What accesses memory for a test: called directly, or entered at a lower exception level
 * through another mapping of these pages. Position independent, touches x0 to x18 alone.
 */
	.section .stub, "ax"
	.arch	armv8.1-a

	.macro	function name
	.globl	\name
\name:
	.endm

/* A guest's own exceptions end it, as its system calls do. */
	.balign	2048
	.globl	stub_vectors
stub_vectors:
	.rept	16
	.balign	128
	hvc	#1
	b	.
	.endr

/* Where functions return to at a lower level. */
function stub_return
	svc	#0
	b	.

function stub_read
	ldr	x0, [x0]
	ret

function stub_write
	str	x1, [x0]
	ret

/* Calls what is at x0, which returns at once. */
function stub_execute
	mov	x17, x30
	blr	x0
	ret	x17

/* Writes of other kinds. */
function stub_zero_line
	dc	zva, x0
	ret

function stub_add
	ldadd	x1, x2, [x0]
	ret

function stub_swap
	ldr	x2, [x0]
	cas	x2, x1, [x0]
	ret

function stub_store_pair
	stp	x1, x1, [x0]
	ret

function stub_store_exclusive
1:	ldxr	x2, [x0]
	stxr	w3, x1, [x0]
	cbnz	w3, 1b
	ret

function stub_write_across
	stur	x1, [x0, #-4]
	ret

/* Not writes. */
function stub_prefetch
	prfm	pstl1keep, [x0]
	ret

function stub_clean_line
	dc	civac, x0
	dsb	sy
	ret

function stub_load_exclusive
	ldxr	x0, [x0]
	clrex
	ret

/*
 * Writes without pause: x0: address; x1: mask of page numbers; x2: log2 of the distance of
 * pages; x3: struct control. Counts up, and stores the count in a page chosen by chance.
 */
function stub_writer
	ldr	x4, [x3, #8]
	ldr	x5, [x3, #16]
1:	eor	x5, x5, x5, lsl #13
	eor	x5, x5, x5, lsr #7
	eor	x5, x5, x5, lsl #17
	and	x6, x5, x1
	lsl	x6, x6, x2
	add	x4, x4, #1
	str	x4, [x0, x6]
	str	x4, [x3, #8]
	ldr	x7, [x3]
	cbz	x7, 1b
	str	x5, [x3, #16]
	ret
