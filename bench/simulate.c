/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest of 1 TiB that is migrated: its memory lies in blocks of 2 MiB, 1 % of which
 * are hot. In each round it writes to 16 random pages of each hot block, then dirty
 * state is read and cleared, and what is cold is merged; in between 5 % of the hot set moves
 * elsewhere. For each policy: how much was reported that was not written, the memory of
 * tables, and the time of each round's scans.
 *
 *     bench_simulate [--quick]    64 GiB, six rounds
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"

#define HOT_EVERY       100 /* of so many blocks one is hot */
#define MOVES_EVERY     20  /* of so many hot blocks one moves, each round */
#define PAGES_WRITTEN   16  /* in a hot block, each round */
#define MIB(bytes)      ((double)(bytes) / 1048576)
#define PAGES_MIB(page) MIB((page)*PAGE_BYTES)

struct simulation {
	struct guest guest;
	uint64_t *hot; /* blocks */
	uint64_t hot_count;
	unsigned rounds;
};

struct totals {
	double written, reported, most_tables, scan_ns, longest_ns, start_ns;
};

static void choose_hot(struct simulation *s)
{
	for (uint64_t i = 0; i < s->hot_count; i++)
		s->hot[i] = random_below(&s->guest.random, s->guest.blocks);
}

static void move_hot(struct simulation *s)
{
	for (uint64_t i = 0; i < s->hot_count / MOVES_EVERY; i++)
		s->hot[random_below(&s->guest.random, s->hot_count)] =
			random_below(&s->guest.random, s->guest.blocks);
}

static void run_round(struct simulation *s, unsigned round, struct totals *totals)
{
	struct guest *guest = &s->guest;
	struct iopgt_op op = {0};
	double ns, written, reported, tables;

	guest_forget_written(guest);
	for (uint64_t i = 0; i < s->hot_count; i++)
		guest_write(guest, s->hot[i], PAGES_WRITTEN);
	ns = guest_sync(guest, &op);
	ns += guest_merge(guest, &op);
	written = PAGES_MIB(guest->written_pages);
	reported = PAGES_MIB(guest_found_pages(guest));
	tables = MIB(guest_table_bytes(guest));
	printf("%5u %12.0f %12.0f %12.0f %12.1f %10.2f %8" PRIu64 " %8" PRIu64 " %6" PRIu64 "\n",
	       round, written, reported, reported - written, tables, ns / 1e6, op.stats.split,
	       op.stats.merged, op.stats.waits);
	fflush(stdout);
	totals->written += written;
	totals->reported += reported;
	totals->scan_ns += ns;
	if (tables > totals->most_tables)
		totals->most_tables = tables;
	if (ns > totals->longest_ns)
		totals->longest_ns = ns;
	move_hot(s);
}

static void print_head(const char *name, double start_ns)
{
	printf("\n%s: tracking started in %.2f ms\n", name, start_ns / 1e6);
	printf("%5s %12s %12s %12s %12s %10s %8s %8s %6s\n", "round", "written MiB", "reported",
	       "too much", "tables MiB", "scan ms", "split", "merged", "waits");
}

/* Each policy meets the same writes. */
static void run_policy(struct simulation *s, const struct guest_policy *policy,
                       struct totals *totals)
{
	guest_reset(&s->guest);
	guest_map(&s->guest);
	totals->start_ns = guest_start(&s->guest, policy->policy);
	print_head(policy->name, totals->start_ns);
	s->guest.random = RANDOM_SEED;
	choose_hot(s);
	for (unsigned round = 1; round <= s->rounds; round++)
		run_round(s, round, totals);
}

static void print_totals(const struct totals *totals, unsigned rounds)
{
	printf("\n%-10s %12s %12s %12s %12s %12s\n", "", "start ms", "too much MiB", "of written",
	       "tables MiB", "scan ms");
	for (unsigned i = 0; i < GUEST_POLICIES; i++) {
		const struct totals *t = &totals[i];

		printf("%-10s %12.2f %12.0f %11.2fx %12.1f %12.2f, longest %.2f\n",
		       guest_policies[i].name, t->start_ns / 1e6, t->reported - t->written,
		       t->reported / t->written, t->most_tables, t->scan_ns / rounds / 1e6,
		       t->longest_ns / 1e6);
	}
}

static void simulate(uint64_t bytes, unsigned rounds)
{
	static struct simulation s;
	struct totals totals[GUEST_POLICIES] = {0};

	s.rounds = rounds;
	guest_open(&s.guest, bytes);
	s.hot_count = s.guest.blocks / HOT_EVERY;
	s.hot = checked(calloc(s.hot_count, sizeof(uint64_t)));
	printf("%" PRIu64 " GiB in blocks of 2 MiB, %" PRIu64 " of them hot; %u rounds, "
	       "%u pages written in each hot block, 1 in %u moves each round\n",
	       bytes >> 30, s.hot_count, rounds, PAGES_WRITTEN, MOVES_EVERY);
	for (unsigned i = 0; i < GUEST_POLICIES; i++)
		run_policy(&s, &guest_policies[i], &totals[i]);
	print_totals(totals, rounds);
	guest_close(&s.guest);
	free(s.hot);
}

int main(int count, char **arguments)
{
	bool quick = count == 2 && strcmp(arguments[1], "--quick") == 0;

	if (count > 1 && !quick) {
		fputs("usage: bench_simulate [--quick]\n", stderr);
		return 2;
	}
	simulate(UINT64_C(1) << (quick ? 36 : 40), quick ? 6 : 16);
	return 0;
}
