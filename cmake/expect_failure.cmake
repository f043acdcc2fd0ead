# SPDX-License-Identifier: BSD-2-Clause
# Runs COMMAND, which must exit with 1 (not crash) and print a last line that
# begins with LAST_LINE.
cmake_minimum_required(VERSION 3.25)
execute_process(COMMAND ${COMMAND} RESULT_VARIABLE result OUTPUT_VARIABLE output)
message("${output}")
if(NOT result STREQUAL "1")
	message(FATAL_ERROR "exit status is ${result}, not 1")
endif()
if(NOT "\n${output}" MATCHES "\n${LAST_LINE}[^\n]*\n$")
	message(FATAL_ERROR "the last line does not begin with ${LAST_LINE}")
endif()
