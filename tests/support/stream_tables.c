/* SPDX-License-Identifier: BSD-2-Clause */
/* Access flags of tables: who uses them, and what they promise. */
#include <inttypes.h>

#include "stream_private.h"

/* AF, and the bit that the library keeps beside it: walked in the last round. */
#define TABLE_AF     (UINT64_C(1) << 10)
#define TABLE_WALKED (UINT64_C(1) << 53)

bool stream_uses_table_flags(const struct stream *stream)
{
	if (!(stream->config.flags & IOPGT_CONFIG_TABLE_ACCESS_FLAG))
		return false;
	if (!stream->domain)
		return true;
	for (unsigned i = 0; i < stream->walker_count; i++)
		if (stream->walkers[i].attached &&
		    !(stream->walkers[i].attachment.flags & IOPGT_WALKER_TABLE_ACCESSED))
			return false;
	return true;
}

void stream_check_tables(struct stream *stream, const struct spot *spot)
{
	const struct walker_leaf *leaf = &spot->leaf;

	if (leaf->fault != WALKER_OK || leaf->dirty != WALKER_WRITABLE_DIRTY ||
	    !stream_uses_table_flags(stream))
		return;
	for (unsigned i = 0; i < leaf->table_count; i++)
		if (!(leaf->tables[i] & (TABLE_AF | TABLE_WALKED)))
			stream_fail(stream,
			            "0x%" PRIx64 " is dirty, and so would be skipped: 0x%" PRIx64
			            " is table %u of %u above it",
			            spot->first, leaf->tables[i], i, leaf->table_count);
}

static bool clears(const struct call *call)
{
	return call->verb->flags & (VERB_CLEANS | VERB_GIVEN) || call->on;
}

void stream_clear_alone(struct stream *stream, const struct call *call)
{
	if (!(stream->config.flags & IOPGT_CONFIG_TABLE_ACCESS_FLAG) || !clears(call))
		return;
	for (unsigned op = 0; op < STREAM_OPS; op++)
		if (stream->pending[op] && call->op_bit != 1u << op)
			stream_finish(stream, op);
}
