# SPDX-License-Identifier: BSD-2-Clause
cmake_minimum_required(VERSION 3.25)
# Each public header must compile alone, and twice.
file(GLOB_RECURSE headers RELATIVE ${INCLUDE} ${INCLUDE}/*.h)
if(NOT headers)
	message(FATAL_ERROR "no headers in ${INCLUDE}")
endif()
foreach(header IN LISTS headers)
	string(MAKE_C_IDENTIFIER ${header} name)
	set(source ${WORK}/${name}.${SUFFIX})
	file(WRITE ${source} "#include <${header}>\n#include <${header}>\n")
	execute_process(
		COMMAND ${COMPILER} ${FLAGS} -Wall -Wextra -Wpedantic -Wundef -Werror
			-I${INCLUDE} -fsyntax-only ${source}
		COMMAND_ERROR_IS_FATAL ANY)
	message("${header}: compiles")
endforeach()
