# SPDX-License-Identifier: BSD-2-Clause
# Builds tables on the host, lets QEMU walk them, and compares. ORACLE: the host's program;
# QEMU: the command, with its arguments; WORK: where files go; SEEDS.
file(MAKE_DIRECTORY ${WORK})
foreach(seed IN LISTS SEEDS)
	execute_process(COMMAND ${ORACLE} build ${seed} ${WORK}/tables.bin
		COMMAND_ERROR_IS_FATAL ANY)
	execute_process(WORKING_DIRECTORY ${WORK} COMMAND ${QEMU}
		-device loader,file=${WORK}/tables.bin,addr=0x48000000,force-raw=on
		COMMAND_ERROR_IS_FATAL ANY)
	execute_process(COMMAND ${ORACLE} compare ${seed} ${WORK}/walked.bin
		COMMAND_ERROR_IS_FATAL ANY)
endforeach()
file(REMOVE ${WORK}/tables.bin ${WORK}/walked.bin)
