# SPDX-License-Identifier: BSD-2-Clause
# How this project's own targets are compiled. Nothing here reaches those who
# link the library: flags are set on each target, PRIVATE.

set(iopgt_warnings
	-Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
	-Wundef -Wcast-align -Wvla -Wwrite-strings)
set(iopgt_library_warnings -Wconversion -Wsign-conversion)
if(IOPGT_WERROR)
	list(APPEND iopgt_warnings -Werror)
endif()

set(iopgt_compile_flags "")
set(iopgt_link_flags "")
if(IOPGT_SANITIZE)
	list(APPEND iopgt_compile_flags
		-fsanitize=${IOPGT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
	list(APPEND iopgt_link_flags -fsanitize=${IOPGT_SANITIZE})
	if(IOPGT_SANITIZE MATCHES "thread" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
		list(APPEND iopgt_compile_flags -Wno-tsan) # fences are not modelled
	endif()
endif()
if(IOPGT_FUZZ)
	if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
		message(FATAL_ERROR "IOPGT_FUZZ needs clang: use --preset fuzz")
	endif()
	list(APPEND iopgt_compile_flags -fsanitize=fuzzer-no-link)
endif()
set(iopgt_library_flags "")
if(IOPGT_COVERAGE)
	list(APPEND iopgt_library_flags -O1 --coverage -fprofile-update=atomic)
	list(APPEND iopgt_link_flags --coverage)
endif()

# For every target of this project: iopgt_target(name [LIBRARY])
function(iopgt_target target)
	cmake_parse_arguments(arg "LIBRARY" "" "" ${ARGN})
	target_compile_options(${target} PRIVATE ${iopgt_warnings} ${iopgt_compile_flags})
	set_target_properties(${target} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON)
	if(arg_LIBRARY)
		set_target_properties(${target} PROPERTIES C_EXTENSIONS OFF)
		target_compile_options(${target} PRIVATE
			${iopgt_library_warnings} ${iopgt_library_flags})
	endif()
	get_target_property(type ${target} TYPE)
	if(type STREQUAL "EXECUTABLE")
		target_link_options(${target} PRIVATE ${iopgt_link_flags})
	endif()
endfunction()
