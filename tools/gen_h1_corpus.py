#!/usr/bin/env python3
"""gen_h1_corpus.py: seeds for the HTTP/1 fuzz targets, one for each wire case of tests/conformance/h1_cases.json.

Run it from the root of the tree; it writes fuzz/corpus/h1_request and fuzz/corpus/h1_response. Repeated parts are shortened
so that every seed is small. A response seed begins with the byte that chooses the request: 1 for HEAD, 0 for GET.
SPDX-License-Identifier: Apache-2.0
"""
import json
from pathlib import Path

REPEAT_BYTES_MAX = 400
SEED_BYTES_MAX = 6000


def bytes_of(part):
    if isinstance(part, str):
        return part.encode("latin-1")
    if "rep" in part:
        piece = part["rep"].encode("latin-1")
        return piece * min(part["n"], max(1, REPEAT_BYTES_MAX // max(1, len(piece))))
    return part.get("split", "").encode("latin-1")


def main():
    cases = json.loads(Path("tests/conformance/h1_cases.json").read_text(encoding="utf-8"))["cases"]
    for case in cases:
        seed = b"".join(bytes_of(part) for part in case.get("parts", [case.get("raw", "")]))[:SEED_BYTES_MAX]
        if case["direction"] == "response":
            seed = (b"1" if case["client_method"] == "HEAD" else b"0") + seed
        folder = Path("fuzz/corpus/h1_" + case["direction"])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / case["id"]).write_bytes(seed)


main()
