# SPDX-License-Identifier: BSD-2-Clause
# find_package(iopgt), from the install tree and from the build tree, and pkg-config.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(iopgt_config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/iopgt)

install(TARGETS iopgt EXPORT iopgt-targets
	ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
	INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/iopgt
	DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

install(EXPORT iopgt-targets NAMESPACE iopgt:: DESTINATION ${iopgt_config_dir})
export(EXPORT iopgt-targets NAMESPACE iopgt:: FILE ${PROJECT_BINARY_DIR}/iopgt-targets.cmake)

configure_file(${CMAKE_CURRENT_LIST_DIR}/iopgt-config.cmake.in
	${PROJECT_BINARY_DIR}/iopgt-config.cmake @ONLY)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/iopgt-config-version.cmake
	COMPATIBILITY SameMinorVersion)
install(FILES
	${PROJECT_BINARY_DIR}/iopgt-config.cmake
	${PROJECT_BINARY_DIR}/iopgt-config-version.cmake
	DESTINATION ${iopgt_config_dir})

# The tree may be moved: paths are relative to the .pc file.
cmake_path(SET pc_dir NORMALIZE "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig")
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY ${pc_dir}
	OUTPUT_VARIABLE iopgt_pc_prefix)
configure_file(${CMAKE_CURRENT_LIST_DIR}/iopgt.pc.in ${PROJECT_BINARY_DIR}/iopgt.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/iopgt.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
