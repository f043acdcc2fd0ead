# SPDX-License-Identifier: BSD-2-Clause
cmake_minimum_required(VERSION 3.25)
# Installs below the build tree and builds a program that uses the library: by
# find_package from the install tree and from the build tree, and by pkg-config.
set(work ${BUILD}/install-check)
set(prefix ${work}/prefix)
file(REMOVE_RECURSE ${work})
file(MAKE_DIRECTORY ${work})

function(run)
	execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})
file(GLOB config_dir ${prefix}/lib*/cmake/iopgt ${prefix}/lib/*/cmake/iopgt)

foreach(tree install build)
	set(dir ${BUILD})
	if(tree STREQUAL "install")
		set(dir ${config_dir})
	endif()
	message("find_package from the ${tree} tree: ${dir}")
	run(${CMAKE_COMMAND} -S ${CONSUMER} -B ${work}/${tree} -G ${GENERATOR}
		-DCMAKE_C_COMPILER=${COMPILER} -Diopgt_DIR=${dir} -DIOPGT_WANTED=${VERSION})
	run(${CMAKE_COMMAND} --build ${work}/${tree})
	run(${work}/${tree}/consumer)
endforeach()

if(NOT PKG_CONFIG)
	message("no pkg-config: not checked")
	return()
endif()
cmake_path(SET pc NORMALIZE "${config_dir}/../../pkgconfig")
message("pkg-config: ${pc}")
set(ENV{PKG_CONFIG_PATH} ${pc})
execute_process(
	COMMAND ${PKG_CONFIG} --cflags --libs "iopgt = ${VERSION}"
	OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
run(${COMPILER} -std=c11 ${CONSUMER}/main.c -o ${work}/by-pkg-config ${flags})
run(${work}/by-pkg-config)
