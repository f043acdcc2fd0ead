/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What takes the place of a primitive in a mutant. Included before all else in the copy
 * of the library, whose own names the macros use where they stand.
 */
#ifndef TEST_MUTANTS_WEAK_H
#define TEST_MUTANTS_WEAK_H

/* The explorer asks whether a scenario comes by: weak_gather.c. */
#ifdef IOPGT_EXPLORE
extern int iopgt_mutant_came;
#define WEAK_CAME() (iopgt_mutant_came = 1)
#else
#define WEAK_CAME() 0
#endif

/* Dropped; the arguments are still evaluated. As a statement, as a call that succeeds. */
#define weak_lost(...)      ((void)(WEAK_CAME(), ##__VA_ARGS__))
#define weak_lost_call(...) ((void)(WEAK_CAME(), ##__VA_ARGS__), 0)

/* Read-modify-writes in two steps. */
#define weak_torn(entry, updated)                                                                  \
	__extension__({                                                                            \
		live_descriptor *torn_entry_ = (WEAK_CAME(), entry);                               \
		uint64_t old_ = live_load(torn_entry_);                                            \
		live_store(torn_entry_, updated);                                                  \
		old_;                                                                              \
	})
#define weak_torn_exchange(entry, value) weak_torn(entry, value)
#define weak_torn_set(entry, bits)       weak_torn(entry, old_ | (bits))
#define weak_torn_clear(entry, bits)     weak_torn(entry, old_ & ~(bits))
#define weak_torn_replace(entry, expected, value)                                                  \
	__extension__({                                                                            \
		live_descriptor *torn_entry_ = (WEAK_CAME(), entry);                               \
		uint64_t *expected_ = (expected), value_ = (value);                                \
		uint64_t old_ = live_load(torn_entry_);                                            \
		bool done_ = old_ == *expected_;                                                   \
		if (done_)                                                                         \
			live_store(torn_entry_, value_);                                           \
		*expected_ = old_;                                                                 \
		done_;                                                                             \
	})

/* They return what they should, and change nothing. */
#define weak_lost_update(entry, value) ((void)(WEAK_CAME(), value), live_load(entry))
#define weak_lost_replace(entry, expected, value)                                                  \
	__extension__({                                                                            \
		uint64_t *expected_ = (expected), old_ = live_load(entry);                         \
		bool done_ = old_ == *expected_;                                                   \
		(void)(WEAK_CAME(), value);                                                        \
		*expected_ = old_;                                                                 \
		done_;                                                                             \
	})

/* Counters in two steps, of which the explorer is told. */
#define weak_torn_count(counter, change)                                                           \
	__extension__({                                                                            \
		uint32_t *counter_ = (WEAK_CAME(), counter), old_ = table_counted(counter_);       \
		LIVE_STEP(LIVE_NOTE, counter_);                                                    \
		*(volatile uint32_t *)counter_ = old_ + (change);                                  \
	})

#define weak_torn_take(counter)                                                                    \
	__extension__({                                                                            \
		uint32_t *counter_ = (WEAK_CAME(), counter), old_ = table_counted(counter_);       \
		if (old_ && old_ != UINT32_MAX) {                                                  \
			LIVE_STEP(LIVE_NOTE, counter_);                                            \
			*(volatile uint32_t *)counter_ = old_ - 1;                                 \
		}                                                                                  \
		old_ != 0;                                                                         \
	})
#define weak_lost_take(counter) (WEAK_CAME(), table_counted(counter) != 0)

/* Accesses of atomic objects that are not. */
#define weak_plain(object)                                                                         \
	(*(__typeof__(*(object) + 0) *)(uintptr_t)(const volatile void *)(object))
#define weak_plain_load(object, ...)              weak_plain(object)
#define weak_plain_store(object, value, ...)      ((void)(weak_plain(object) = (value)))
#define weak_plain_fetch_add(object, change, ...) ((weak_plain(object) += (change)) - (change))
#define weak_plain_replace(object, expected, value, ...)                                           \
	(weak_plain(object) == *(expected) ? (weak_plain(object) = (value), true)                  \
	                                   : (*(expected) = weak_plain(object), false))

/* Waits: weak_gather.c, which is appended to core/gather.c. */
#define weak_flush_unwaited(op) MUTANT_WAIT(iopgt_flush_unwaited(op))
#define weak_lost_flush(op)     MUTANT_WAIT(iopgt_lost_flush(op))
#define weak_lost_sync(table, op)                                                                  \
	__extension__({                                                                            \
		(void)(table);                                                                     \
		MUTANT_WAIT(iopgt_lost_sync(op));                                                  \
	})
#define MUTANT_WAIT(call)                                                                          \
	__extension__({                                                                            \
		extern int iopgt_flush_unwaited(), iopgt_lost_flush(), iopgt_lost_sync();          \
		WEAK_CAME();                                                                       \
		call;                                                                              \
	})

/* Which places a program comes by: reach.c. */
extern unsigned char iopgt_reached[];
#define reach(place) __atomic_store_n(&iopgt_reached[place], 1, __ATOMIC_RELAXED)

#define reach_if(place, condition) ((condition) ? reach(place) : (void)0)
#define reach_table_clean(place, table, ...)                                                       \
	(reach_if(place, (table)->non_coherent), table_clean(table, __VA_ARGS__))
#define reach_walked_by_cursor(place, c)                                                           \
	(reach_if(place, (c)->table->format.walked), walked_by_cursor(c))
#define reach_walked_at(place, table, ...)                                                         \
	(reach_if(place, (table)->format.walked), walked_at(table, __VA_ARGS__))

#endif
