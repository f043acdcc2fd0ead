#!/bin/bash -eu
# SPDX-License-Identifier: BSD-2-Clause
exec "$SRC/iopgt/fuzz/build.sh"
