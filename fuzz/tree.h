/* SPDX-License-Identifier: BSD-2-Clause */
/* A tree that the fuzzer's bytes describe: for fuzz_tree.c. */
#ifndef FUZZ_TREE_H
#define FUZZ_TREE_H

#include "memory.h"

#define TREE_TABLES 12

struct tree {
	struct source source;
	struct iopgt_config config;
	struct memory memory;
	struct walker *oracle;
	int start; /* level of the start table */
	unsigned count;
	struct {
		uint64_t phys;
		unsigned char *virt;
		int level;
	} table[TREE_TABLES];
	unsigned char *before; /* tree_remember */
	bool failed;           /* some call of the host was made to fail */
};

/* Configuration, memory, tables. All is open then. */
void tree_plant(struct tree *tree, const uint8_t *data, size_t size);
void tree_uproot(struct tree *tree);

/* What is in the tables now, and whether it is so still. */
void tree_remember(struct tree *tree);
void tree_expect_same(struct tree *tree);

#endif
