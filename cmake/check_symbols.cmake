# SPDX-License-Identifier: BSD-2-Clause
cmake_minimum_required(VERSION 3.25)
# The whole library, linked together, may ask its host for four symbols that
# compilers call by themselves, and may show only names that begin with iopgt_.
if(SHARED)
	set(names ${NM} -P -D ${LIBRARY})
else()
	file(MAKE_DIRECTORY ${WORK})
	execute_process(
		COMMAND ${LINKER} -r -o ${WORK}/iopgt.o --whole-archive ${LIBRARY}
		COMMAND_ERROR_IS_FATAL ANY)
	set(names ${NM} -P ${WORK}/iopgt.o)
endif()
execute_process(
	COMMAND ${names}
	OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)

set(allowed memcpy memset memmove memcmp)
set(wrong 0)
set(count 0)
string(REPLACE "\n" ";" symbols "${symbols}")
foreach(symbol IN LISTS symbols)
	if(NOT symbol MATCHES "^([^ ]+) ([A-Zuvw])")
		continue() # local
	endif()
	math(EXPR count "${count} + 1")
	set(name ${CMAKE_MATCH_1})
	set(type ${CMAKE_MATCH_2})
	if(type MATCHES "[Uvw]")
		if(NOT name IN_LIST allowed)
			message("undefined: ${name}")
			set(wrong 1)
		endif()
	elseif(NOT name MATCHES "^iopgt_")
		message("visible, without prefix: ${name}")
		set(wrong 1)
	endif()
endforeach()
if(wrong OR count EQUAL 0)
	message(FATAL_ERROR "${count} visible or undefined symbols, not all as they should be")
endif()
message("${count} visible or undefined symbols, all as they should be")
