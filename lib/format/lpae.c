/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leaf descriptors (D8.3.1):
 *
 *   bit   1:0  block 01, page 11
 *         4:2  stage 1 AttrIndx            5:2  stage 2 MemAttr
 *           5  stage 1 NS
 *           6  stage 1 AP[1] unprivileged    6  stage 2 S2AP[0] read
 *           7  stage 1 AP[2] read-only       7  stage 2 S2AP[1] write
 *         9:8  shareability; with DS = 1 output address 51:50
 *          10  access flag
 *          11  stage 1 nG
 *       15:12  64 KiB granule: output address 51:48
 *          16  nT (blocks, break-before-make level 1)
 *        47:n  output address; with DS = 1 49:n
 *          50  stage 1 GP
 *          51  DBM
 *          52  Contiguous
 *       54:53  stage 1 UXN, PXN (EL2: XN, 0)    stage 2 XN[1:0]
 *       58:55  software: 55, 56 are this library's, 57, 58 the caller's
 *
 * AArch32 (G5.5.1) has no nT, GP, DBM; 54 is XN, 53 PXN, at stage 2 54 is XN.
 *
 * Table descriptors: walkers ignore bits 58:51 (AArch32 58:52) and 11:2, but for
 * address bits and, with FEAT_HAFT, the access flag in bit 10; 53 to 55 are this
 * library's. Invalid descriptors: bit 1 says that a call has the entry at this moment.
 */
#include "format/lpae.h"

#include "format/format.h"

#define BIT(n) (UINT64_C(1) << (n))

#define VALID         BIT(0)
#define KIND          (BIT(1) | BIT(0))
#define BLOCK         BIT(0)
#define TABLE_OR_PAGE (BIT(1) | BIT(0))

#define S1_ATTRINDX_SHIFT 2
#define S1_NON_SECURE     BIT(5)
#define S1_UNPRIVILEGED   BIT(6)
#define S1_READ_ONLY      BIT(7)
#define S1_NOT_GLOBAL     BIT(11)
#define S1_GUARDED        BIT(50)
#define S1_PXN            BIT(53)
#define S1_UXN            BIT(54) /* one privilege level, and AArch32: XN */

#define S2_MEMATTR_SHIFT 2
#define S2_READ          BIT(6)
#define S2_WRITE         BIT(7)
#define S2_XN_EVERY      (UINT64_C(0) << 53)
#define S2_XN_EL0        (UINT64_C(1) << 53) /* executable at EL0 alone */
#define S2_XN_NEVER      (UINT64_C(2) << 53)
#define S2_XN_EL1        (UINT64_C(3) << 53) /* executable at EL1 alone */
#define S2_XN            (UINT64_C(3) << 53)

#define SH_SHIFT        8
#define SH              (UINT64_C(3) << SH_SHIFT)
#define SH_NONE         UINT64_C(0)
#define SH_OUTER        (UINT64_C(2) << SH_SHIFT)
#define SH_INNER        (UINT64_C(3) << SH_SHIFT)
#define ACCESSED        BIT(10)
#define NT              BIT(16)
#define DBM             BIT(51)
#define CONTIGUOUS      BIT(52)
#define LEAF_UNGROUPING BIT(55)
#define LEAF_KEPT_DIRTY BIT(56)
#define LEAF_SOFTWARE_0 BIT(57)
#define LEAF_SOFTWARE_1 BIT(58)

#define TABLE_WAS_WALKED BIT(53)
#define TABLE_UNSETTLED  BIT(54)
#define TABLE_CLEANED    BIT(55)
#define TABLE_AGE_SHIFT  56
#define TABLE_AGE        (BIT(59) - BIT(TABLE_AGE_SHIFT))
#define TABLE_IGNORED    ((BIT(59) - BIT(51)) | (BIT(12) - BIT(2))) /* with AF of FEAT_HAFT */

/* Bits 63:1 of an invalid descriptor are free (D8.3); a leaf's bit 1 follows from its level. */
#define BROKEN BIT(1)

#define NO_CODE 0xff

/* MemAttr[3:0] by enum iopgt_memory (D8.6.5); forced write-back: D8.6.6. */
static const uint8_t s2_memattr[2][IOPGT_MEMORY_TYPES] = {
	{[IOPGT_NON_CACHEABLE] = 0x5,
         [IOPGT_WRITE_BACK] = 0xf,
         [IOPGT_DEVICE] = 0x1,
         [IOPGT_INNER_NON_CACHEABLE] = 0xd,
         [IOPGT_DEVICE_NGNRNE] = 0x0,
         [IOPGT_DEVICE_NGRE] = 0x2,
         [IOPGT_DEVICE_GRE] = 0x3},
	{[IOPGT_NON_CACHEABLE] = 0x5,
         [IOPGT_WRITE_BACK] = 0x6,
         [IOPGT_DEVICE] = 0x1,
         [IOPGT_INNER_NON_CACHEABLE] = NO_CODE,
         [IOPGT_DEVICE_NGNRNE] = 0x0,
         [IOPGT_DEVICE_NGRE] = 0x2,
         [IOPGT_DEVICE_GRE] = 0x3},
};

/* format->traits */
enum trait {
	TWO_PRIVILEGES = 1 << 0,
	STAGE2 = 1 << 1,
	FORCED_WRITE_BACK = 1 << 2,
	XN_SPLIT = 1 << 3, /* stage 2: FEAT_XNX */
	SECURE = 1 << 4,
	SH_FROM_TCR = 1 << 5, /* DS = 1 */
	AARCH32 = 1 << 6,
};

static bool has(const struct iopgt_format *f, uint32_t trait)
{
	return (f->traits & trait) != 0;
}

/* --- Shareability --- */

#define SHAREABILITIES                                                                             \
	((uint32_t)(IOPGT_INNER_SHAREABLE | IOPGT_OUTER_SHAREABLE | IOPGT_NOT_SHAREABLE))

/* What memory of a type has where nothing else is asked for. */
static uint32_t usual_shareability(const struct iopgt_format *f, uint32_t memory)
{
	if (memory == IOPGT_WRITE_BACK)
		return IOPGT_INNER_SHAREABLE;
	return has(f, SH_FROM_TCR) && memory == IOPGT_INNER_NON_CACHEABLE ? IOPGT_INNER_SHAREABLE
	                                                                  : IOPGT_OUTER_SHAREABLE;
}

/* Whether the architecture, or TCR, leaves no choice. */
static bool shareability_is_fixed(const struct iopgt_format *f, uint32_t memory)
{
	return has(f, SH_FROM_TCR) ||
	       (memory != IOPGT_WRITE_BACK && memory != IOPGT_INNER_NON_CACHEABLE);
}

static int shareability_bits(const struct iopgt_format *f, const struct iopgt_leaf_kind *kind,
                             uint64_t *bits)
{
	uint32_t usual = usual_shareability(f, kind->memory);
	uint32_t wanted = kind->attributes & SHAREABILITIES;

	if (!wanted)
		wanted = usual;
	if ((wanted & (wanted - 1)) || (wanted != usual && shareability_is_fixed(f, kind->memory)))
		return IOPGT_BAD_ATTRIBUTE;
	if (has(f, SH_FROM_TCR))
		return IOPGT_OK;
	*bits |= wanted == IOPGT_INNER_SHAREABLE   ? SH_INNER
	         : wanted == IOPGT_OUTER_SHAREABLE ? SH_OUTER
	                                           : SH_NONE;
	return IOPGT_OK;
}

/* The shareability of a leaf, if it is not the usual one. */
static uint32_t shareability_of(const struct iopgt_format *f, uint64_t leaf, uint32_t memory)
{
	uint32_t found = (leaf & SH) == SH_INNER   ? IOPGT_INNER_SHAREABLE
	                 : (leaf & SH) == SH_OUTER ? IOPGT_OUTER_SHAREABLE
	                                           : IOPGT_NOT_SHAREABLE;

	if (shareability_is_fixed(f, memory) || found == usual_shareability(f, memory))
		return 0;
	return found;
}

/* --- Checks and parts that both stages share --- */

static uint64_t state_of(const struct iopgt_format *f, uint32_t prot)
{
	if (!(prot & IOPGT_WRITE))
		return f->state_read_only;
	if (!f->dirty_managed || (prot & IOPGT_NO_TRACK))
		return f->state_untracked;
	return prot & IOPGT_CLEAN ? f->state_clean : f->state_dirty;
}

#define EXECUTES ((uint32_t)(IOPGT_EXECUTE | IOPGT_EXECUTE_PRIVILEGED | IOPGT_EXECUTE_UNPRIVILEGED))

static int check_kind(const struct iopgt_leaf_kind *kind)
{
	uint32_t prot = kind->prot;
	uint32_t execute = prot & EXECUTES;

	if ((prot & ~(uint32_t)IOPGT_ALL_PROT) || !(prot & (IOPGT_READ | IOPGT_WRITE)))
		return IOPGT_BAD_PROT;
	if (((prot & IOPGT_NO_TRACK) && (prot & IOPGT_CLEAN)) || (execute & (execute - 1)))
		return IOPGT_BAD_PROT;
	if (kind->memory >= IOPGT_MEMORY_TYPES)
		return IOPGT_BAD_MEMORY_TYPE;
	return kind->attributes & ~(uint32_t)IOPGT_ALL_ATTRIBUTES ? IOPGT_BAD_ATTRIBUTE : IOPGT_OK;
}

static uint64_t software_bits(uint32_t attributes)
{
	return (attributes & IOPGT_SOFTWARE_0 ? LEAF_SOFTWARE_0 : 0) |
	       (attributes & IOPGT_SOFTWARE_1 ? LEAF_SOFTWARE_1 : 0);
}

static uint32_t software_attributes(uint64_t leaf)
{
	return (leaf & LEAF_SOFTWARE_0 ? (uint32_t)IOPGT_SOFTWARE_0 : 0) |
	       (leaf & LEAF_SOFTWARE_1 ? (uint32_t)IOPGT_SOFTWARE_1 : 0);
}

static uint32_t write_prot(const struct iopgt_format *f, uint64_t leaf)
{
	uint64_t state = leaf & f->state_mask;

	if (state == f->state_read_only)
		return 0;
	if (f->dirty_managed && state == f->state_untracked)
		return IOPGT_WRITE | IOPGT_NO_TRACK;
	return IOPGT_WRITE;
}

/* --- Stage 1 --- */

static int s1_check(const struct iopgt_format *f, const struct iopgt_leaf_kind *kind)
{
	uint32_t prot = kind->prot;
	bool one_level = (prot & (IOPGT_EXECUTE_PRIVILEGED | IOPGT_EXECUTE_UNPRIVILEGED)) != 0;
	uint32_t impossible = 0;

	if (!(prot & IOPGT_READ))
		return IOPGT_BAD_PROT;
	if (!has(f, TWO_PRIVILEGES) && ((prot & IOPGT_PRIVILEGED) || one_level))
		return IOPGT_BAD_PROT;
	if ((prot & IOPGT_PRIVILEGED) && (prot & IOPGT_EXECUTE_UNPRIVILEGED))
		return IOPGT_BAD_PROT;
	/* What unprivileged code may write is never executed by the privileged (D8.4.1). */
	if ((prot & IOPGT_EXECUTE_PRIVILEGED) && (prot & IOPGT_WRITE) && !(prot & IOPGT_PRIVILEGED))
		return IOPGT_BAD_PROT;
	/* G5.6: XN forbids execution at every level. */
	if (has(f, AARCH32) && (prot & IOPGT_EXECUTE_PRIVILEGED) && !(prot & IOPGT_PRIVILEGED))
		return IOPGT_BAD_PROT;
	if (!has(f, TWO_PRIVILEGES))
		impossible |= IOPGT_GLOBAL;
	if (!has(f, SECURE))
		impossible |= IOPGT_NON_SECURE;
	if (has(f, AARCH32))
		impossible |= IOPGT_GUARDED;
	return kind->attributes & impossible ? IOPGT_BAD_ATTRIBUTE : IOPGT_OK;
}

static uint64_t s1_execute_bits(const struct iopgt_format *f, uint32_t prot)
{
	uint64_t pxn = has(f, TWO_PRIVILEGES) ? S1_PXN : 0;

	if (!(prot & EXECUTES))
		return S1_UXN | pxn;
	if (prot & IOPGT_EXECUTE_UNPRIVILEGED)
		return pxn;
	/* Memory for the privileged level alone; in AArch32 UXN would forbid all. */
	if ((prot & (IOPGT_PRIVILEGED | IOPGT_EXECUTE_PRIVILEGED)) && !has(f, AARCH32))
		return S1_UXN;
	return 0;
}

static int s1_leaf_bits(const struct iopgt_format *f, const struct iopgt_leaf_kind *kind,
                        uint64_t *bits)
{
	int err = check_kind(kind);

	if (!err)
		err = s1_check(f, kind);
	if (err)
		return err;
	*bits = (uint64_t)kind->memory << S1_ATTRINDX_SHIFT | ACCESSED | state_of(f, kind->prot) |
	        s1_execute_bits(f, kind->prot) | software_bits(kind->attributes);
	if (has(f, TWO_PRIVILEGES) && !(kind->attributes & IOPGT_GLOBAL))
		*bits |= S1_NOT_GLOBAL;
	/* AP[1] is RES1 with one privilege level. */
	if (!(kind->prot & IOPGT_PRIVILEGED))
		*bits |= S1_UNPRIVILEGED;
	if (kind->attributes & IOPGT_NON_SECURE)
		*bits |= S1_NON_SECURE;
	if (kind->attributes & IOPGT_GUARDED)
		*bits |= S1_GUARDED;
	return shareability_bits(f, kind, bits);
}

static uint32_t s1_execute_prot(const struct iopgt_format *f, uint64_t leaf, bool privileged)
{
	bool uxn = (leaf & S1_UXN) != 0;
	bool pxn = (leaf & S1_PXN) != 0;

	if (!has(f, TWO_PRIVILEGES))
		pxn = uxn;
	else if (has(f, AARCH32))
		pxn = pxn || uxn;
	if (privileged)
		return pxn ? 0 : IOPGT_EXECUTE;
	if (pxn)
		return uxn ? 0 : IOPGT_EXECUTE_UNPRIVILEGED;
	return uxn ? IOPGT_EXECUTE_PRIVILEGED : IOPGT_EXECUTE;
}

static void s1_leaf_kind(const struct iopgt_format *f, uint64_t leaf, struct iopgt_leaf_kind *kind)
{
	bool privileged = has(f, TWO_PRIVILEGES) && !(leaf & S1_UNPRIVILEGED);

	kind->memory = (uint32_t)(leaf >> S1_ATTRINDX_SHIFT & 7);
	kind->prot = IOPGT_READ | write_prot(f, leaf) | s1_execute_prot(f, leaf, privileged) |
	             (privileged ? (uint32_t)IOPGT_PRIVILEGED : 0);
	kind->attributes = software_attributes(leaf) | shareability_of(f, leaf, kind->memory);
	if (has(f, TWO_PRIVILEGES) && !(leaf & S1_NOT_GLOBAL))
		kind->attributes |= IOPGT_GLOBAL;
	if (has(f, SECURE) && (leaf & S1_NON_SECURE))
		kind->attributes |= IOPGT_NON_SECURE;
	if (!has(f, AARCH32) && (leaf & S1_GUARDED))
		kind->attributes |= IOPGT_GUARDED;
}

/* --- Stage 2 --- */

static uint64_t s2_execute_bits(uint32_t prot)
{
	if (prot & IOPGT_EXECUTE)
		return S2_XN_EVERY;
	if (prot & IOPGT_EXECUTE_PRIVILEGED)
		return S2_XN_EL1;
	return prot & IOPGT_EXECUTE_UNPRIVILEGED ? S2_XN_EL0 : S2_XN_NEVER;
}

static int s2_leaf_bits(const struct iopgt_format *f, const struct iopgt_leaf_kind *kind,
                        uint64_t *bits)
{
	const uint32_t impossible = IOPGT_GLOBAL | IOPGT_NON_SECURE | IOPGT_GUARDED;
	const uint32_t one_level = IOPGT_EXECUTE_PRIVILEGED | IOPGT_EXECUTE_UNPRIVILEGED;
	int err = check_kind(kind);
	uint8_t code;

	if (err)
		return err;
	if ((kind->prot & IOPGT_PRIVILEGED) || (!has(f, XN_SPLIT) && (kind->prot & one_level)))
		return IOPGT_BAD_PROT;
	/* G5.6.3: AArch32 executes only what it may read. */
	if (has(f, AARCH32) && (kind->prot & EXECUTES) && !(kind->prot & IOPGT_READ))
		return IOPGT_BAD_PROT;
	code = s2_memattr[has(f, FORCED_WRITE_BACK)][kind->memory];
	if (code == NO_CODE)
		return IOPGT_BAD_MEMORY_TYPE;
	if (kind->attributes & impossible)
		return IOPGT_BAD_ATTRIBUTE;
	*bits = (uint64_t)code << S2_MEMATTR_SHIFT | ACCESSED | state_of(f, kind->prot) |
	        s2_execute_bits(kind->prot) | software_bits(kind->attributes);
	if (kind->prot & IOPGT_READ)
		*bits |= S2_READ;
	return shareability_bits(f, kind, bits);
}

static uint32_t s2_execute_prot(const struct iopgt_format *f, uint64_t leaf)
{
	/* Without FEAT_XNX bit 53 says nothing (D8.4.6). */
	switch (has(f, XN_SPLIT) ? leaf & S2_XN : leaf & S2_XN_NEVER) {
	case S2_XN_EVERY:
		return IOPGT_EXECUTE;
	case S2_XN_EL0:
		return IOPGT_EXECUTE_UNPRIVILEGED;
	case S2_XN_EL1:
		return IOPGT_EXECUTE_PRIVILEGED;
	default:
		return 0;
	}
}

static void s2_leaf_kind(const struct iopgt_format *f, uint64_t leaf, struct iopgt_leaf_kind *kind)
{
	const uint8_t *codes = s2_memattr[has(f, FORCED_WRITE_BACK)];
	uint64_t code = leaf >> S2_MEMATTR_SHIFT & 0xf;

	kind->prot = write_prot(f, leaf) | s2_execute_prot(f, leaf) |
	             (leaf & S2_READ ? (uint32_t)IOPGT_READ : 0);
	for (kind->memory = 0; kind->memory < IOPGT_MEMORY_TYPES; kind->memory++) {
		if (codes[kind->memory] == code)
			break;
	}
	kind->attributes = software_attributes(leaf) | shareability_of(f, leaf, kind->memory);
}

/* --- The formats --- */

static void s1_format(struct iopgt_format *f)
{
	f->state_mask = DBM | S1_READ_ONLY;
	f->state_clean = DBM | S1_READ_ONLY;
	f->state_dirty = DBM;
	f->state_untracked = 0;
	f->state_read_only = S1_READ_ONLY;
	f->prot_mask = S1_UNPRIVILEGED | S1_UXN | (has(f, TWO_PRIVILEGES) ? S1_PXN : 0);
	f->leaf_bits = s1_leaf_bits;
	f->leaf_kind = s1_leaf_kind;
}

static void s2_format(struct iopgt_format *f)
{
	f->state_mask = DBM | S2_WRITE;
	f->state_clean = DBM;
	f->state_dirty = DBM | S2_WRITE;
	f->state_untracked = S2_WRITE;
	f->state_read_only = 0;
	f->prot_mask = S2_READ | S2_XN;
	f->leaf_bits = s2_leaf_bits;
	f->leaf_kind = s2_leaf_kind;
}

static uint32_t traits_of(const struct iopgt_config *config)
{
	static const uint32_t of_regime[] = {
		[IOPGT_STAGE1_EL1] = TWO_PRIVILEGES,
		[IOPGT_STAGE1_EL2] = 0,
		[IOPGT_STAGE2] = STAGE2,
		[IOPGT_STAGE1_AARCH32] = TWO_PRIVILEGES | AARCH32,
		[IOPGT_STAGE2_AARCH32] = STAGE2 | AARCH32,
	};
	uint32_t traits = of_regime[config->regime];

	if (config->flags & IOPGT_CONFIG_FORCED_WRITE_BACK)
		traits |= FORCED_WRITE_BACK;
	if (config->flags & IOPGT_CONFIG_XNX)
		traits |= XN_SPLIT;
	if (config->flags & IOPGT_CONFIG_SECURE)
		traits |= SECURE;
	if (config->flags & IOPGT_CONFIG_LPA2)
		traits |= SH_FROM_TCR;
	return traits;
}

/* Where the address stands: D8.3.1. In AArch32 bits 47:40 fault if they are not 0 (G5.5.1). */
static void set_address(struct iopgt_format *f, const struct iopgt_config *config)
{
	uint64_t top = BIT(48);

	f->table_ignored = TABLE_IGNORED;
	if (has(f, AARCH32)) {
		f->table_ignored &= ~BIT(51);
	} else if (config->flags & IOPGT_CONFIG_LPA2) {
		top = BIT(50);
		f->address_high = BIT(9) | BIT(8);
		f->address_shift = 50 - 8;
	} else if (config->output_bits == 52) {
		f->address_high = BIT(16) - BIT(12);
		f->address_shift = 48 - 12;
	}
	f->address_low = top - BIT(config->granule_shift);
	f->table_ignored &= ~f->address_high;
	/* What is no address between bit 12 and 49 is RES0, but for nT. */
	f->leaf_reserved = (BIT(50) - BIT(12)) & ~(format_address_bits(f) | f->no_cache);
	if (has(f, STAGE2))
		f->leaf_reserved |= BIT(11) | BIT(50) | BIT(63);
}

void iopgt_lpae_format(const struct iopgt_config *config, struct iopgt_format *f)
{
	*f = (struct iopgt_format){
		.present = VALID,
		.leaf_mask = {KIND, KIND},
		.leaf_value = {BLOCK, TABLE_OR_PAGE},
		.table_mask = KIND,
		.table_value = TABLE_OR_PAGE,
		.accessed = ACCESSED,
		.kept_dirty = LEAF_KEPT_DIRTY,
		.cleaned = TABLE_CLEANED,
		.unsettled = TABLE_UNSETTLED,
		.age = TABLE_AGE,
		.age_shift = TABLE_AGE_SHIFT,
		.broken = BROKEN,
		.contiguous = CONTIGUOUS,
		.ungrouping = LEAF_UNGROUPING,
		.traits = traits_of(config),
		.dirty_managed = config->dirty != IOPGT_DIRTY_NONE,
	};
	if (!has(f, AARCH32))
		f->no_cache = NT;
	if (config->flags & IOPGT_CONFIG_TABLE_ACCESS_FLAG) {
		f->walked = ACCESSED;
		f->was_walked = TABLE_WAS_WALKED;
	}
	set_address(f, config);
	if (has(f, STAGE2))
		s2_format(f);
	else
		s1_format(f);
}
