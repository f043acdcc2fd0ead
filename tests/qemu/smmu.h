/* SPDX-License-Identifier: BSD-2-Clause */
/* An SMMUv3 with one stream, and the device behind it (QEMU's edu). */
#ifndef SMMU_H
#define SMMU_H

#include <iopgt/iopgt.h>

#define SMMU_STREAM 0x10 /* the device's: bus 0, device 2, function 0 */

/* The context of a table's HAL. */
struct smmu {
	struct iopgt_tlbi_target target;
	struct iopgt_config config;
	bool deaf; /* commands that invalidate are left out */
	uint64_t commands;
};

extern const struct iopgt_hal smmu_hal;

/* Of the SMMU, by its ID registers. */
void smmu_capabilities(struct iopgt_capabilities *capabilities);

/* Queues and an empty stream table. */
void smmu_start(void);

/* A context, for tables of that configuration. */
void smmu_init(struct smmu *smmu, const struct iopgt_config *config, uint16_t asid);

/* Address of the one context descriptor, for the STE. */
uint64_t smmu_context_descriptor(void);

/* Gives the stream its context descriptor and STE, or with null none. */
void smmu_set_stream(const struct iopgt_registers *words);

/* An event record (IHI 0070 7.3). */
struct smmu_event {
	uint64_t word[4];
};
#define EVENT_TYPE(event)   ((event)->word[0] & 0xff)
#define EVENT_STREAM(event) ((event)->word[0] >> 32)
#define EVENT_INPUT(event)  ((event)->word[2])
#define F_TRANSLATION       0x10
#define F_PERMISSION        0x13

/* Takes the oldest event. Returns false if there is none. */
bool smmu_take_event(struct smmu_event *event);

/* Finds the device. */
void edu_start(void);
/* Lets the device copy: `bytes` up to 4095 from memory at `iova` into itself, and back. */
void edu_read(uint64_t iova, uint64_t bytes);
void edu_write(uint64_t iova, uint64_t bytes);

#endif
