/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * start-1T-POLICY, sync-1T-POLICY, merge-1T-POLICY, bytes-1T-POLICY: 1 TiB in blocks of 2 MiB,
 * 1 % of which are written to, 16 pages of each and round. What it takes to start tracking;
 * from the second round on, to read and clear, and then to look for cold tables (of which there
 * are none); and, in bytes, not nanoseconds, the table memory then. The limit of `adaptive` is
 * what `eager` takes.
 */
#include "guest.h"

#define BYTES     (UINT64_C(1) << 40)
#define HOT_EVERY 100
#define PAGES     16

enum kind {
	KIND_START,
	KIND_SYNC,
	KIND_MERGE, /* of adaptive alone */
	KIND_BYTES,
	KINDS,
};

static const char *const kind_names[KINDS] = {"start", "sync", "merge", "bytes"};
static const double kind_bars[KINDS] = {1.0 / 100, 1.0 / 50, 0, 1.0 / 50};

static void write_hot(struct guest *guest)
{
	guest_forget_written(guest);
	for (uint64_t block = 0; block < guest->blocks; block += HOT_EVERY)
		guest_write(guest, block, PAGES);
}

static void measure_start(struct guest *guest, const struct guest_policy *policy, unsigned runs,
                          struct samples *samples)
{
	for (unsigned run = 0; run < runs; run++) {
		guest_reset(guest);
		guest_map(guest);
		samples_add(samples, guest_start(guest, policy->policy));
	}
}

static void measure_rounds(struct guest *guest, unsigned runs, struct samples *sync,
                           struct samples *merge)
{
	for (unsigned round = 0; round < 1 + runs; round++) {
		struct iopgt_op op = {0};
		double sync_ns, merge_ns;

		write_hot(guest);
		sync_ns = guest_sync(guest, &op);
		merge_ns = guest_merge(guest, &op);
		if (round == 0)
			continue;
		samples_add(sync, sync_ns);
		samples_add(merge, merge_ns);
	}
}

static void report(struct bench *bench, const struct guest_policy *policy,
                   const struct samples *samples, const struct samples *eager)
{
	bool adaptive = policy->policy == IOPGT_SPLIT_ADAPTIVE;

	for (unsigned kind = 0; kind < KINDS; kind++) {
		char name[48];
		struct row *row;

		if (kind == KIND_MERGE && !adaptive)
			continue;
		snprintf(name, sizeof(name), "%s-1T-%s", kind_names[kind], policy->name);
		row = bench_row(bench, name, (double)(BYTES / PAGE_BYTES));
		row->subject = samples[kind];
		if (eager && adaptive && kind_bars[kind] != 0) {
			row->limit = eager[kind];
			row->bar = kind_bars[kind];
		}
		bench_done(bench, row);
	}
}

static void measure(struct bench *bench, const struct guest_policy *policy, struct samples *samples)
{
	struct guest guest;

	bench_say(bench, policy->name);
	guest_open(&guest, BYTES);
	measure_start(&guest, policy, bench->runs, &samples[KIND_START]);
	measure_rounds(&guest, bench->runs, &samples[KIND_SYNC], &samples[KIND_MERGE]);
	samples_add(&samples[KIND_BYTES], (double)guest_table_bytes(&guest));
	guest_close(&guest);
}

static bool wanted(struct bench *bench, const struct guest_policy *policy)
{
	bool any = false;

	for (unsigned kind = 0; kind < KINDS; kind++) {
		char name[48];

		snprintf(name, sizeof(name), "%s-1T-%s", kind_names[kind], policy->name);
		any |= bench_wants(bench, name, false);
	}
	return any;
}

void rows_adaptive(struct bench *bench)
{
	static struct samples samples[GUEST_POLICIES][KINDS];
	bool eager = false;

	for (unsigned i = 0; i < GUEST_POLICIES; i++) {
		if (!wanted(bench, &guest_policies[i]))
			continue;
		measure(bench, &guest_policies[i], samples[i]);
		report(bench, &guest_policies[i], samples[i], eager ? samples[0] : NULL);
		eager |= i == 0;
	}
}
