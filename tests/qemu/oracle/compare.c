/* SPDX-License-Identifier: BSD-2-Clause */
/* What PAR_EL1 must say (D24.2.138), from iopgt_translate. */
#include "host.h"

#include <stdio.h>

#define FAULT(par)  ((par)&1)
#define STATUS(par) ((par) >> 1 & 0x3f)
#define PHYS        UINT64_C(0xffffffffff000)

enum {
	TRANSLATION = 0x04,
	PERMISSION = 0x0c,
	TRANSLATION_ABOVE = 0x2b,
};

static const uint8_t memory_attributes[IOPGT_MEMORY_TYPES] = {0x44, 0xff, 0x04, 0xf4,
                                                              0x00, 0x08, 0x0c};

/* Shareability of normal memory: attributes if given, else by type; with LPA2 TCR's, inner. */
static uint64_t shareability(const struct subject *subject, const struct iopgt_translation *said)
{
	if (subject->config.flags & IOPGT_CONFIG_LPA2)
		return 3;
	if (said->attributes & IOPGT_NOT_SHAREABLE)
		return 0;
	if (said->attributes & IOPGT_INNER_SHAREABLE)
		return 3;
	if (said->attributes & IOPGT_OUTER_SHAREABLE)
		return 2;
	return said->memory == IOPGT_WRITE_BACK ? 3 : 2;
}

static bool has_caches(uint32_t memory)
{
	return memory == IOPGT_WRITE_BACK || memory == IOPGT_INNER_NON_CACHEABLE;
}

static bool is_right(const struct subject *subject, const struct iopgt_translation *said,
                     uint64_t par)
{
	if (FAULT(par) || (par & PHYS) != (said->phys & PHYS))
		return false;
	if (subject->config.regime == IOPGT_STAGE2)
		return true; /* a guest's own type, with its MMU off, is device memory */
	if (par >> 56 != memory_attributes[said->memory])
		return false;
	return !has_caches(said->memory) || (par >> 7 & 3) == shareability(subject, said);
}

static bool is_translation_fault(uint64_t par)
{
	return FAULT(par) &&
	       ((STATUS(par) & 0x3c) == TRANSLATION || STATUS(par) == TRANSLATION_ABOVE);
}

static bool is_permission_fault(uint64_t par, int level)
{
	return FAULT(par) && STATUS(par) == (uint64_t)(PERMISSION | level);
}

static bool agrees(const struct subject *subject, uint64_t iova, uint64_t par, bool user)
{
	struct iopgt_translation said;
	int err = iopgt_translate(&subject->table, iova, &said);
	bool readable;

	/* No IPA at all, to a guest whose MMU is off: an address size fault of its own. */
	if (err == IOPGT_BAD_RANGE && subject->config.regime == IOPGT_STAGE2)
		return FAULT(par);
	if (err)
		return (err == IOPGT_NOT_MAPPED || err == IOPGT_BAD_RANGE) &&
		       is_translation_fault(par);
	readable = said.prot & IOPGT_READ && !(user && said.prot & IOPGT_PRIVILEGED);
	return readable ? is_right(subject, &said, par) : is_permission_fault(par, said.level);
}

static void print(const struct subject *subject, uint64_t iova, uint64_t par)
{
	const struct iopgt_config *config = &subject->config;
	struct iopgt_translation said = {0};
	int err = iopgt_translate(&subject->table, iova, &said);

	printf("regime %u granule 2^%u input %u output %u flags %x leaves %llx: iova %llx: PAR "
	       "%llx, but %s, phys %llx level %d prot %x memory %u attributes %x\n",
	       config->regime, config->granule_shift, config->input_bits, config->output_bits,
	       config->flags, (unsigned long long)config->leaf_sizes, (unsigned long long)iova,
	       (unsigned long long)par, iopgt_strerror(err), (unsigned long long)said.phys,
	       said.level, said.prot, said.memory, said.attributes);
}

uint64_t oracle_compare(const struct oracle *oracle, const struct oracle_answer *answers)
{
	uint64_t wrong = 0;

	for (uint64_t i = 0; i < oracle->memory->cases; i++) {
		const struct oracle_case *c = &oracle->memory->list[i];
		const struct subject *subject = &oracle->subjects[i];

		for (uint64_t p = c->first; p < c->first + c->count; p++) {
			uint64_t iova = oracle->memory->iova[p];
			bool privileged = agrees(subject, iova, answers[p].privileged, false);
			/* There is no other level at EL2. */
			bool user = subject->config.regime == IOPGT_STAGE1_EL2 ||
			            agrees(subject, iova, answers[p].user, true);

			if (privileged && user)
				continue;
			if (wrong++ < 10)
				print(subject, iova,
				      privileged ? answers[p].user : answers[p].privileged);
		}
	}
	return wrong;
}
