#!/usr/bin/env python3
"""gen_names.py: makes src/http/names_table.h, the perfect hash of the names in src/http/names.def.

Run it from the root of the tree after a change of names.def:  python3 tools/gen_names.py > src/http/names_table.h
A unit test fails when the two have parted ways.  SPDX-License-Identifier: Apache-2.0
"""
import re

SLOTS = 256


def slot(name, a, b, c):
    """The same sum as name_slot in names.c."""
    text = [ord(char) | 0x20 for char in name]
    return (len(text) * a + text[0] * b + text[len(text) // 2] * c + text[-1]) % SLOTS


def find(names):
    for a in range(1, 64):
        for b in range(1, 64):
            for c in range(1, 64):
                if len({slot(name, a, b, c) for name in names}) == len(names):
                    return a, b, c
    raise SystemExit("gen_names.py: no perfect hash found; widen the search")


def main():
    with open("src/http/names.def", encoding="ascii") as source:
        rows = re.findall(r'^HEADER\((\w+), "([^"]+)"\)$', source.read(), re.M)
    a, b, c = find([name for _, name in rows])
    print("/* names_table.h: the perfect hash of names.def, made by tools/gen_names.py. Do not edit.\n"
          " * SPDX-License-Identifier: Apache-2.0 */")
    print("#ifndef HOLDFAST_HTTP_NAMES_TABLE_H\n#define HOLDFAST_HTTP_NAMES_TABLE_H\n")
    print('#include "http/head.h"\n')
    print(f"enum {{ NAME_SLOTS = {SLOTS}, NAME_BYTES_MAX = {max(len(name) for _, name in rows)} }};")
    print(f"enum {{ NAME_LEN_FACTOR = {a}, NAME_FIRST_FACTOR = {b}, NAME_MIDDLE_FACTOR = {c} }};\n")
    print("static const uint8_t name_slots[NAME_SLOTS] = {")
    for at, ident in sorted((slot(name, a, b, c), ident) for ident, name in rows):
        print(f"    [{at}] = HEADER_{ident},")
    print("};\n")
    print("static const struct str lower_names[HEADER_ID_COUNT] = {")
    for ident, name in rows:
        print(f'    [HEADER_{ident}] = STR_INIT("{name.lower()}"),')
    print("};\n\n#endif")


main()
