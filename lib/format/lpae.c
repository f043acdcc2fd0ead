/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leaf descriptors (D8.3.1):
 *
 *   bit   1:0  block 01, page 11
 *         4:2  stage 1 AttrIndx            5:2  stage 2 MemAttr
 *           6  stage 1 AP[1] unprivileged    6  stage 2 S2AP[0] read
 *           7  stage 1 AP[2] read-only       7  stage 2 S2AP[1] write
 *         9:8  shareability
 *          10  access flag
 *          11  stage 1 nG
 *          16  nT (blocks, break-before-make level 1)
 *        47:n  output address
 *          51  DBM
 *       54:53  stage 1 UXN, PXN (EL2: XN, 0)    stage 2 XN[1:0]
 *       58:55  software: 57:56 in every state; 56 is this library's, 57 the caller's
 *
 * Table descriptors: bits 57:53 are ignored by walkers in both stages.
 */
#include "format/lpae.h"

#include "format/format.h"

#define BIT(n) (UINT64_C(1) << (n))

#define VALID         BIT(0)
#define KIND          (BIT(1) | BIT(0))
#define BLOCK         BIT(0)
#define TABLE_OR_PAGE (BIT(1) | BIT(0))

#define S1_ATTRINDX_SHIFT 2
#define S1_UNPRIVILEGED   BIT(6)
#define S1_READ_ONLY      BIT(7)
#define S1_NOT_GLOBAL     BIT(11)
#define S1_PXN            BIT(53)
#define S1_UXN            BIT(54)
#define S1_EL2_XN         BIT(54)

#define S2_MEMATTR_SHIFT 2
#define S2_READ          BIT(6)
#define S2_WRITE         BIT(7)
#define S2_XN_NEVER      BIT(54) /* XN[1:0] = 0b10 */

#define SH_OUTER        (UINT64_C(2) << 8)
#define SH_INNER        (UINT64_C(3) << 8)
#define ACCESSED        BIT(10)
#define NT              BIT(16)
#define DBM             BIT(51)
#define LEAF_KEPT_DIRTY BIT(56)

#define TABLE_UNSETTLED BIT(54)
#define TABLE_CLEANED   BIT(55)

/* An invalid descriptor's bits 63:1 are free (D8.3). */
#define BROKEN BIT(62)

/* MemAttr[3:0] by enum iopgt_memory; forced write-back: D8.6.6. */
static const uint8_t s2_memattr[2][IOPGT_MEMORY_TYPES] = {
	{[IOPGT_NON_CACHEABLE] = 0x5, [IOPGT_WRITE_BACK] = 0xf, [IOPGT_DEVICE] = 0x1},
	{[IOPGT_NON_CACHEABLE] = 0x5, [IOPGT_WRITE_BACK] = 0x6, [IOPGT_DEVICE] = 0x1},
};

/* What format->regime holds for stage 2 with forced write-back. */
#define STAGE2_FWB 0x80

static uint64_t shareability(uint32_t memory)
{
	/* Device and non-cacheable memory is outer shareable whatever SH says. */
	return memory == IOPGT_WRITE_BACK ? SH_INNER : SH_OUTER;
}

static uint64_t state_of(const struct iopgt_format *f, uint32_t prot)
{
	if (!(prot & IOPGT_WRITE))
		return f->state_read_only;
	if (!f->dirty_managed || (prot & IOPGT_NO_TRACK))
		return f->state_untracked;
	return prot & IOPGT_CLEAN ? f->state_clean : f->state_dirty;
}

static int check_prot(uint32_t prot, uint32_t memory)
{
	if ((prot & ~(uint32_t)IOPGT_ALL_PROT) || !(prot & (IOPGT_READ | IOPGT_WRITE)))
		return IOPGT_BAD_PROT;
	if ((prot & IOPGT_NO_TRACK) && (prot & IOPGT_CLEAN))
		return IOPGT_BAD_PROT;
	return memory < IOPGT_MEMORY_TYPES ? IOPGT_OK : IOPGT_BAD_MEMORY_TYPE;
}

static uint64_t s1_execute_bits(bool two_privileges, uint32_t prot)
{
	if (!two_privileges)
		return prot & IOPGT_EXECUTE ? 0 : S1_EL2_XN;
	if (!(prot & IOPGT_EXECUTE))
		return S1_PXN | S1_UXN;
	return prot & IOPGT_PRIVILEGED ? S1_UXN : 0;
}

static int s1_leaf_bits(const struct iopgt_format *f, uint32_t prot, uint32_t memory,
                        uint64_t *bits)
{
	bool two_privileges = f->regime == IOPGT_STAGE1_EL1;
	int err = check_prot(prot, memory);

	if (err)
		return err;
	if (!(prot & IOPGT_READ) || (!two_privileges && (prot & IOPGT_PRIVILEGED)))
		return IOPGT_BAD_PROT;
	*bits = (uint64_t)memory << S1_ATTRINDX_SHIFT | shareability(memory) | ACCESSED;
	*bits |= state_of(f, prot) | s1_execute_bits(two_privileges, prot);
	if (two_privileges)
		*bits |= S1_NOT_GLOBAL;
	/* AP[1] is RES1 with one privilege level. */
	if (!(prot & IOPGT_PRIVILEGED))
		*bits |= S1_UNPRIVILEGED;
	return IOPGT_OK;
}

static int s2_leaf_bits(const struct iopgt_format *f, uint32_t prot, uint32_t memory,
                        uint64_t *bits)
{
	bool forced = f->regime == STAGE2_FWB;
	int err = check_prot(prot, memory);

	if (err)
		return err;
	if (prot & IOPGT_PRIVILEGED)
		return IOPGT_BAD_PROT;
	*bits = (uint64_t)s2_memattr[forced][memory] << S2_MEMATTR_SHIFT;
	*bits |= shareability(memory) | ACCESSED | state_of(f, prot);
	if (prot & IOPGT_READ)
		*bits |= S2_READ;
	if (!(prot & IOPGT_EXECUTE))
		*bits |= S2_XN_NEVER;
	return IOPGT_OK;
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

static void s1_leaf_prot(const struct iopgt_format *f, uint64_t leaf, uint32_t *prot,
                         uint32_t *memory)
{
	bool two_privileges = f->regime == IOPGT_STAGE1_EL1;
	bool privileged = two_privileges && !(leaf & S1_UNPRIVILEGED);
	uint64_t never = !two_privileges ? S1_EL2_XN : privileged ? S1_PXN : S1_UXN;

	*prot = IOPGT_READ | write_prot(f, leaf);
	*prot |= leaf & never ? 0 : (uint32_t)IOPGT_EXECUTE;
	*prot |= privileged ? (uint32_t)IOPGT_PRIVILEGED : 0;
	*memory = (uint32_t)(leaf >> S1_ATTRINDX_SHIFT & 7);
}

static void s2_leaf_prot(const struct iopgt_format *f, uint64_t leaf, uint32_t *prot,
                         uint32_t *memory)
{
	const uint8_t *codes = s2_memattr[f->regime == STAGE2_FWB];
	uint64_t code = leaf >> S2_MEMATTR_SHIFT & 0xf;

	*prot = write_prot(f, leaf);
	*prot |= leaf & S2_READ ? (uint32_t)IOPGT_READ : 0;
	*prot |= leaf & S2_XN_NEVER ? 0 : (uint32_t)IOPGT_EXECUTE;
	for (*memory = 0; *memory < IOPGT_MEMORY_TYPES; (*memory)++) {
		if (codes[*memory] == code)
			break;
	}
}

static void s1_format(struct iopgt_format *f, bool two_privileges)
{
	f->state_mask = DBM | S1_READ_ONLY;
	f->state_clean = DBM | S1_READ_ONLY;
	f->state_dirty = DBM;
	f->state_untracked = 0;
	f->state_read_only = S1_READ_ONLY;
	f->prot_mask = S1_UNPRIVILEGED | S1_UXN | (two_privileges ? S1_PXN : 0);
	f->leaf_bits = s1_leaf_bits;
	f->leaf_prot = s1_leaf_prot;
}

static void s2_format(struct iopgt_format *f)
{
	f->state_mask = DBM | S2_WRITE;
	f->state_clean = DBM;
	f->state_dirty = DBM | S2_WRITE;
	f->state_untracked = S2_WRITE;
	f->state_read_only = 0;
	f->prot_mask = S2_READ | S2_XN_NEVER;
	f->leaf_bits = s2_leaf_bits;
	f->leaf_prot = s2_leaf_prot;
}

void iopgt_lpae_format(const struct iopgt_config *config, struct iopgt_format *f)
{
	*f = (struct iopgt_format){
		.present = VALID,
		.leaf_mask = {KIND, KIND},
		.leaf_value = {BLOCK, TABLE_OR_PAGE},
		.table_mask = KIND,
		.table_value = TABLE_OR_PAGE,
		.address_low = (BIT(48) - 1) & ~(BIT(config->granule_shift) - 1),
		.accessed = ACCESSED,
		.no_cache = NT,
		.kept_dirty = LEAF_KEPT_DIRTY,
		.cleaned = TABLE_CLEANED,
		.unsettled = TABLE_UNSETTLED,
		.broken = BROKEN,
		.regime = (uint8_t)config->regime,
		.dirty_managed = config->dirty != IOPGT_DIRTY_NONE,
	};
	if (config->regime == IOPGT_STAGE2) {
		s2_format(f);
		if (config->flags & IOPGT_CONFIG_FORCED_WRITE_BACK)
			f->regime = STAGE2_FWB;
	} else {
		s1_format(f, config->regime == IOPGT_STAGE1_EL1);
	}
}
