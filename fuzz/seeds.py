#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes inputs of pseudo-random bytes, always the same ones: fuzz/seeds.py FOLDER [COUNT]

Since every string of bytes means something, they reach most of what a target can do at once.
"""

import pathlib
import random
import sys


def main():
    folder = pathlib.Path(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    chance = random.Random(1)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        length = 40 << chance.randrange(6)
        (folder / f"random_{i:03}").write_bytes(chance.randbytes(length))


if __name__ == "__main__":
    main()
