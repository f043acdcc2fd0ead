/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words of two tables made into one: the two halves of an address space, and the
 * two stages of a stream.
 */
#include "format/field.h"
#include "format/registers.h"

/* TCR_EL1 (D24.2.194). */
#define TCR_LOWER FIELD_MASK(15, 0)
#define TCR_UPPER FIELD_MASK(31, 16)
#define TCR_EPD0  FIELD_MASK(7, 7)
#define TCR_EPD1  FIELD_MASK(23, 23)
#define TCR_IPS   FIELD_MASK(34, 32)
#define TCR_HA_HD FIELD_MASK(40, 39)

/* TCR2_EL1 (D24.2.190). */
#define TCR2_HAFT FIELD_MASK(11, 11)

/* Word 0 of a CD (IHI 0070 5.4). */
#define CD_LOWER FIELD_MASK(15, 0)
#define CD_UPPER FIELD_MASK(30, 16)
#define CD_IPS   FIELD_MASK(34, 32)
#define CD_AA64  FIELD_MASK(41, 41)
#define CD_HA_HD FIELD_MASK(43, 42)
/* TTB0 in word 1, TTB1 in word 2. */
#define CD_ADDRESS FIELD_MASK(51, 4)
#define CD_HAFT    FIELD_MASK(3, 3) /* of word 1 */

#define TTBR_ASID FIELD_MASK(63, 48)

/* How two words become one. What is in none of these masks must be equal. */
struct rule {
	uint64_t lower, upper; /* bits of one or the other */
	uint64_t larger;       /* a field: the larger value */
	uint64_t either;       /* bits that are or-ed */
};

static const struct rule tcr_rule = {TCR_LOWER, TCR_UPPER, TCR_IPS, TCR_HA_HD};
static const struct rule tcr2_rule = {.either = TCR2_HAFT};

static const struct rule cd_rules[8] = {
	{CD_LOWER, CD_UPPER, CD_IPS, CD_HA_HD},
	{.lower = CD_ADDRESS, .either = CD_HAFT},
	{.upper = CD_ADDRESS},
};

static const struct rule equal_rule;

static uint64_t join(const struct rule *rule, uint64_t lower, uint64_t upper)
{
	uint64_t a = lower & rule->larger, b = upper & rule->larger;
	uint64_t rest = ~(rule->lower | rule->upper | rule->larger);

	return (lower & rule->lower) | (upper & rule->upper) | (a > b ? a : b) |
	       ((lower | upper) & rest);
}

static bool joinable(const struct rule *rule, uint64_t lower, uint64_t upper)
{
	uint64_t shared = ~(rule->lower | rule->upper | rule->larger | rule->either);

	return !((lower ^ upper) & shared);
}

/* Each has a table in its own half and has disabled the other. */
static bool are_halves(const struct iopgt_registers *lower, const struct iopgt_registers *upper)
{
	return (lower->tcr & (TCR_UPPER | TCR_EPD0)) == TCR_EPD1 &&
	       (upper->tcr & (TCR_LOWER | TCR_EPD1)) == TCR_EPD0 && !lower->ttbr1 && !upper->ttbr0;
}

/*
 * Updates by HA, HD and HAFT reach the half that does not ask for them, too.
 * That needs a write-back walk there (R_WLTNL): halves of which one alone is coherent
 * do not agree, since S1CIR, S1COR and S1CSH of the STE differ.
 */
static bool halves_agree(const struct iopgt_registers *lower, const struct iopgt_registers *upper)
{
	bool agree = joinable(&tcr_rule, lower->tcr, upper->tcr) &&
	             joinable(&tcr2_rule, lower->tcr2, upper->tcr2) && lower->mair == upper->mair &&
	             !((lower->ttbr0 ^ upper->ttbr1) & TTBR_ASID);

	for (unsigned i = 0; i < 8; i++) {
		agree = agree && joinable(&cd_rules[i], lower->cd[i], upper->cd[i]) &&
		        joinable(&equal_rule, lower->ste[i], upper->ste[i]);
	}
	return agree;
}

int iopgt_registers_both_halves(const struct iopgt_registers *lower,
                                const struct iopgt_registers *upper, struct iopgt_registers *out)
{
	if (!lower || !upper || !out)
		return IOPGT_BAD_ARGUMENT;
	if (!are_halves(lower, upper) || !halves_agree(lower, upper))
		return IOPGT_INCOMPATIBLE;
	/* Word by word, since `out` may be one of them. */
	out->tcr = join(&tcr_rule, lower->tcr, upper->tcr);
	out->tcr2 = join(&tcr2_rule, lower->tcr2, upper->tcr2);
	out->mair = lower->mair;
	out->ttbr0 = lower->ttbr0;
	out->ttbr1 = upper->ttbr1;
	out->vtcr = 0;
	out->vttbr = 0;
	for (unsigned i = 0; i < 8; i++) {
		out->cd[i] = join(&cd_rules[i], lower->cd[i], upper->cd[i]);
		out->ste[i] = lower->ste[i];
	}
	return IOPGT_OK;
}

/* Fields of an STE. */
static unsigned ste_config(const uint64_t *ste)
{
	return field_of(ste, 3, 1);
}

static unsigned ste_eats(const uint64_t *ste)
{
	return field_of(ste, 93, 92);
}

static unsigned ste_strw(const uint64_t *ste)
{
	return field_of(ste, 95, 94);
}

static unsigned ste_vmid(const uint64_t *ste)
{
	return field_of(ste, 143, 128);
}

static bool stages_agree(const struct iopgt_registers *stage1, const struct iopgt_registers *stage2)
{
	const uint64_t *s1 = stage1->ste, *s2 = stage2->ste;
	bool s2_aarch64 = field_bit(s2, 179);
	bool s2_stalls = field_bit(s2, 185);

	if (ste_config(s1) != 5 || ste_config(s2) != 6 || ste_strw(s1) ||
	    ste_vmid(s1) != ste_vmid(s2))
		return false;
	if ((stage1->cd[0] & CD_AA64) && !s2_aarch64)
		return false;
	/* ILLEGAL with a stage 2 that stalls (5.2 EATS). */
	if (s2_stalls && (ste_eats(s1) || ste_eats(s2)))
		return false;
	return !ste_eats(s1) || !ste_eats(s2) || ste_eats(s1) == ste_eats(s2);
}

int iopgt_registers_nested(const struct iopgt_registers *stage1,
                           const struct iopgt_registers *stage2, uint64_t *out)
{
	if (!stage1 || !stage2 || !out)
		return IOPGT_BAD_ARGUMENT;
	if (!stages_agree(stage1, stage2))
		return IOPGT_INCOMPATIBLE;
	/* Config 5 and 6 make 7; of all other fields one stage has zero, or both the same. */
	for (unsigned i = 0; i < 8; i++)
		out[i] = stage1->ste[i] | stage2->ste[i];
	return IOPGT_OK;
}
