/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/scan_state.h"

void iopgt_scan_give_run(struct iopgt_scan *scan)
{
	if (!scan->has_run)
		return;
	scan->has_run = false;
	scan->visitor_stop = scan->visitor->visit(scan->visitor->context, scan->run.first,
	                                          scan->run.last - scan->run.first + 1);
}

bool iopgt_scan_visit(struct iopgt_scan *scan, uint64_t first, uint64_t last)
{
	if (scan->has_run && scan->run.last + 1 == first) {
		scan->run.last = last;
		return true;
	}
	iopgt_scan_give_run(scan);
	if (scan->visitor_stop) {
		scan->op->next = first;
		return false;
	}
	scan->run = (struct iopgt_range){first, last};
	scan->has_run = true;
	return true;
}

bool iopgt_scan_report(struct scan_state *s, struct iopgt_range leaf)
{
	struct iopgt_scan *scan = s->scan;

	if (leaf.first < scan->range.first)
		leaf.first = scan->range.first;
	if (leaf.last > scan->range.last)
		leaf.last = scan->range.last;
	if (scan->bitmap)
		iopgt_bitmap_mark(scan->bitmap, leaf.first, leaf.last);
	else if (!iopgt_scan_visit(scan, leaf.first, leaf.last))
		return false;
	s->op->stats.dirty++;
	return true;
}

bool iopgt_scan_may_clean(const struct scan_state *s, struct iopgt_range leaf)
{
	const struct iopgt_scan *scan = s->scan;

	if (!(scan->flags & SCAN_CLEAN) || leaf.first < scan->range.first ||
	    leaf.last > scan->range.last)
		return false;
	return !(scan->flags & SCAN_SELECT) ||
	       iopgt_bitmap_given(scan->bitmap, leaf.first, leaf.last);
}

bool iopgt_scan_wants_split(const struct scan_state *s, uint64_t d, bool cleans)
{
	switch (s->scan->split) {
	case SCAN_SPLIT_ALL:
		return true;
	case SCAN_SPLIT_TRACKED:
		return format_is_tracked(&s->table->format, d);
	case SCAN_SPLIT_ADAPTIVE:
	case SCAN_SPLIT_CLEANED:
		return cleans && format_is_tracked(&s->table->format, d);
	default:
		return false;
	}
}
