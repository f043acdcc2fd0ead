/* SPDX-License-Identifier: BSD-2-Clause */
/* From a rig's tables to this PE's registers, and back to nothing. */
#ifndef RIG_REGISTERS_H
#define RIG_REGISTERS_H

#include "rig.h"

/* Computes the words for ASID or VMID `id`. */
void rig_registers(struct rig *rig, uint16_t id);

/* Translation on and off on the CPU that calls. */
void rig_switch_on(const struct rig *rig);
void rig_switch_off(const struct rig *rig);

#endif
