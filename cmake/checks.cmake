# SPDX-License-Identifier: BSD-2-Clause
# Tests of the build itself: symbols, public headers, installation.

if(NOT IOPGT_INSTRUMENTED)
	add_test(NAME freestanding_symbols COMMAND ${CMAKE_COMMAND}
		-DLIBRARY=$<TARGET_FILE:iopgt> -DSHARED=${IOPGT_SHARED}
		-DLINKER=${CMAKE_LINKER} -DNM=${CMAKE_NM}
		-DWORK=${PROJECT_BINARY_DIR}/symbols
		-P ${PROJECT_SOURCE_DIR}/cmake/check_symbols.cmake)
endif()

set(headers ${CMAKE_COMMAND}
	-DINCLUDE=${PROJECT_SOURCE_DIR}/include -DWORK=${PROJECT_BINARY_DIR}/headers)
add_test(NAME public_headers_c11 COMMAND ${headers}
	-DCOMPILER=${CMAKE_C_COMPILER} -DSUFFIX=c
	"-DFLAGS=-std=c11;-ffreestanding;-Wstrict-prototypes;-Wmissing-prototypes"
	-P ${PROJECT_SOURCE_DIR}/cmake/check_headers.cmake)
if(NOT CMAKE_CROSSCOMPILING)
	include(CheckLanguage)
	check_language(CXX)
	if(CMAKE_CXX_COMPILER)
		add_test(NAME public_headers_cxx17 COMMAND ${headers}
			-DCOMPILER=${CMAKE_CXX_COMPILER} -DSUFFIX=cpp "-DFLAGS=-std=c++17"
			-P ${PROJECT_SOURCE_DIR}/cmake/check_headers.cmake)
	endif()
endif()

if(IOPGT_INSTALL AND NOT IOPGT_INSTRUMENTED AND NOT CMAKE_CROSSCOMPILING)
	find_program(IOPGT_PKG_CONFIG NAMES pkg-config pkgconf)
	add_test(NAME install_and_use COMMAND ${CMAKE_COMMAND}
		-DBUILD=${PROJECT_BINARY_DIR} -DCOMPILER=${CMAKE_C_COMPILER}
		-DGENERATOR=${CMAKE_GENERATOR} -DPKG_CONFIG=${IOPGT_PKG_CONFIG}
		-DCONSUMER=${PROJECT_SOURCE_DIR}/cmake/consumer -DVERSION=${PROJECT_VERSION}
		-P ${PROJECT_SOURCE_DIR}/cmake/check_install.cmake)
	set_tests_properties(install_and_use PROPERTIES TIMEOUT 120)
endif()
