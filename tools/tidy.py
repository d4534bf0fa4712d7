"""tidy.py: what reviewers should not have to say: layers, banned calls, lengths, opening comments, the seed checklist.

    tidy.py [--root FOLDER] [--only FILE...]     one line for each finding; exit code 1 when there is any

Reads text, not C: comments and strings are blanked first, so that lines and columns stay. Its tests plant each fault:
tests/tools/test_tidy.py. SPDX-License-Identifier: Apache-2.0"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

C_FOLDERS = ("src", "sim", "tests", "fuzz", "bench")
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 600
SPDX = "SPDX-License-Identifier: Apache-2.0"
TEXT_SUFFIXES = {".c", ".h", ".def", ".py", ".md", ".toml", ".tsv", ".sh", ".build", ".txt", ".yml"}
NOT_OURS = {".git", "build", "__pycache__", "node_modules", "corpus"}
CHECKLIST_STATES = {"done", "partly", "open", "not ours"}
CHECKLIST_HEADER = ["item", "seed", "what we do", "status", "shown by"]
CHECKLIST_ITEMS = 140

NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.M)
CALL = re.compile(r"(?<![\w.>])([a-z_]\w*)\s*\(")
OPEN_WORK = re.compile(r"\b(?:TODO|FIXME|XXX)\b(?!\(?\s?#\d+)")
NAMED = re.compile(r"`([a-z_0-9]+(?:/[a-z_0-9]+)+\.[ch])(?:\s+(\w+))?`")
CONFLICT = re.compile(r"^(?:<{7} |={7}$|>{7} )")


def blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


class Tidy:
    """One reading of a tree. Findings are (path, line, text), the path relative to the root."""

    def __init__(self, root):
        self.root = Path(root)
        rules = tomllib.loads((self.root / "tools/layers.toml").read_text(encoding="utf-8"))
        self.rank = {folder: rank for rank, line in enumerate(rules["layers"]) for folder in line}
        self.layers = rules["layers"]
        self.banned_everywhere = set(rules["banned_everywhere"].split())
        self.banned_outside_os = set(rules["banned_outside_os"].split()) | self.banned_everywhere
        self.allowed = rules.get("allowed", {})
        self.findings = []
        self.included = set()

    def report(self, path, line, text):
        self.findings.append((str(path), line, text))

    def run(self):
        self.check_files()
        sources = sorted(path for folder in C_FOLDERS for path in (self.root / folder).rglob("*.[ch]"))
        for path in sources:
            self.check_source(path.relative_to(self.root), path.read_text(encoding="utf-8", errors="replace"))
        self.check_dead_headers(sources)
        self.check_dead_sources(sources)
        self.check_checklist()
        self.check_picture()
        return sorted(self.findings)

    # Any file.

    def check_files(self):
        for path in self.root.rglob("*"):
            name = path.relative_to(self.root)
            if NOT_OURS & set(name.parts) or not path.is_file():
                continue
            content = path.read_bytes()
            if b"\0" in content:
                self.report(name, 1, "not a text: what a tool leaves behind (a profile, a core) does not belong in the tree")
            elif path.suffix in TEXT_SUFFIXES or path.name in ("dev", "run", "LICENSE"):
                self.check_text(name, content.decode(encoding="utf-8", errors="replace"))

    def check_text(self, path, text):
        lines = text.split("\n")
        for number, line in enumerate(lines, 1):
            if line != line.rstrip() and path.suffix != ".tsv":
                self.report(path, number, "white space at the end of the line")
            if CONFLICT.match(line):
                self.report(path, number, "conflict mark")
        if text and not text.endswith("\n"):
            self.report(path, len(lines), "no newline at the end of the file")
        if path.suffix == ".py":
            self.check_length(path, lines)
            if SPDX not in "\n".join(lines[:20]):
                self.report(path, 1, f"no line {SPDX} in the opening text")

    def check_length(self, path, lines):
        if len(lines) - 1 > FILE_LINES_MAX:
            self.report(path, FILE_LINES_MAX + 1, f"{len(lines) - 1} lines: look for the seam (at most {FILE_LINES_MAX})")

    # C.

    def check_source(self, path, text):
        code = NOT_CODE.sub(blank, text)
        self.check_opening(path, text)
        self.check_length(path, text.split("\n"))
        self.check_functions(path, code)
        self.check_calls(path, code)
        for match in INCLUDE.finditer(text):
            self.check_include(path, text.count("\n", 0, match.start()) + 1, match.group(1))
        for number, line in enumerate(text.split("\n"), 1):
            if "\t" in line:
                self.report(path, number, "tab")
            if OPEN_WORK.search(line):
                self.report(path, number, "open work without an issue number: TODO(#12)")

    def check_opening(self, path, text):
        opening = re.match(r"/\*(.*?)\*/", text, re.S)
        if not opening or not opening.group(1).strip().startswith(f"{path.name}:"):
            self.report(path, 1, f'does not open by saying what it is for: "/* {path.name}: ..."')
        elif SPDX not in opening.group(1):
            self.report(path, 1, f"no line {SPDX} in the opening comment")

    def check_functions(self, path, code):
        start, head = 0, ""
        for number, line in enumerate(code.split("\n"), 1):
            if line.startswith("{"):
                start = number
            elif line.startswith("}") and start:
                if number - start + 1 > FUNCTION_LINES_MAX:
                    size = f"{number - start + 1} lines (at most {FUNCTION_LINES_MAX})"
                    self.report(path, start, f"the function after `{head}` has {size}")
                start = 0
            elif line.strip() and not start:
                head = line.strip()

    def check_calls(self, path, code):
        if path.parts[0] == "src":
            banned = set() if path.parts[1] == "os" else self.banned_outside_os
        else:
            banned = self.banned_everywhere if path.parts[0] in ("sim", "fuzz") else set()
        banned = banned - set(self.allowed.get(path.as_posix(), {}).get("calls", "").split())
        for match in CALL.finditer(code):
            if match.group(1) in banned:
                line = code.count("\n", 0, match.start(1)) + 1
                self.report(path, line, f"{match.group(1)}() is banned here: only src/os/ meets the system")

    def check_include(self, path, line, name):
        candidates = [Path("src") / name, Path("tests") / name, Path(name)]
        candidates.insert(len(candidates) if "/" in name else 0, path.parent / name)
        target = next((each for each in candidates if (self.root / each).exists()), candidates[0])
        self.included.add(target.as_posix())
        if path.parts[0] != "src":
            return
        if target.parts[0] != "src" or len(target.parts) < 3:
            if target.parts[0] in C_FOLDERS:
                self.report(path, line, f'"{name}": src/ does not see {target.parts[0]}/')
            return
        own, other = path.parts[1], target.parts[1]
        if own not in self.rank or other not in self.rank:
            self.report(path, line, f'"{name}": {own if own not in self.rank else other}/ is not in tools/layers.toml')
        elif own != other and self.rank[other] >= self.rank[own]:
            way = "up" if self.rank[other] > self.rank[own] else "sideways"
            self.report(path, line, f'"{name}": includes {way}: {own}/ is not above {other}/')
        elif own != other and target.stem.endswith("_internal"):
            self.report(path, line, f'"{name}": a private header of {other}/')

    def check_dead_headers(self, sources):
        for path in sources:
            name = path.relative_to(self.root)
            if name.suffix == ".h" and name.as_posix() not in self.included:
                self.report(name, 1, "no file includes this header")

    def check_dead_sources(self, sources):
        """A .c that no meson.build names is never compiled."""
        builds = "\n".join(path.read_text(encoding="utf-8") for folder in C_FOLDERS
                           for path in (self.root / folder).rglob("meson.build"))
        for path in sources:
            if path.suffix == ".c" and not re.search(rf"['/]{re.escape(path.name)}'", builds):
                self.report(path.relative_to(self.root), 1, "no meson.build names this file")

    # Documents that must stay true.

    def check_checklist(self):
        path = Path("docs/seed-checklist.tsv")
        if not (self.root / path).exists():
            return self.report(path, 1, "missing")
        rows = [line.split("\t") for line in (self.root / path).read_text(encoding="utf-8").splitlines()]
        if rows[:1] != [CHECKLIST_HEADER]:
            self.report(path, 1, "the header is not: " + ", ".join(CHECKLIST_HEADER))
        for number, row in enumerate(rows[1:], 2):
            self.check_checklist_row(path, number, row)
        if len(rows) - 1 != CHECKLIST_ITEMS:
            self.report(path, len(rows), f"{len(rows) - 1} items, expected {CHECKLIST_ITEMS}")

    def check_checklist_row(self, path, number, row):
        if len(row) != len(CHECKLIST_HEADER):
            return self.report(path, number, f"{len(row)} columns, expected {len(CHECKLIST_HEADER)}")
        item, seed, does, state, shown = row
        if item != str(number - 1):
            self.report(path, number, f"item {item}, expected {number - 1}")
        if state not in CHECKLIST_STATES or not seed or not does:
            self.report(path, number, f"state `{state}`, or an empty column")
        if state == "done" and not shown.strip():
            self.report(path, number, "done, but names no test or document")
        for proof in shown.split(";"):
            if proof.strip():
                self.check_proof(path, number, proof.strip())

    def check_proof(self, path, number, proof):
        """A proof is FILE or FILE::WORD, where the file has the word (a test's name, a heading)."""
        name, _, word = proof.partition("::")
        found = self.root / name
        if not found.exists():
            self.report(path, number, f"`{name}` does not exist")
        elif word and word not in found.read_text(encoding="utf-8", errors="replace"):
            self.report(path, number, f"`{name}` does not have `{word}`")

    def check_picture(self):
        """The layers in docs/ARCHITECTURE.md, top line first, are those of layers.toml, and the names there exist."""
        path = Path("docs/ARCHITECTURE.md")
        if not (self.root / path).exists():
            return self.report(path, 1, "missing")
        text = (self.root / path).read_text(encoding="utf-8")
        block = re.search(r"<!-- layers -->\s*```\n(.*?)```", text, re.S)
        shown = [line[:16].split() for line in block.group(1).splitlines()] if block else []
        if list(reversed(shown)) != self.layers:
            self.report(path, 1, "the picture of the layers and tools/layers.toml differ")
        for match in NAMED.finditer(text):
            self.check_named(path, text.count("\n", 0, match.start()) + 1, *match.groups())

    def check_named(self, path, number, name, word):
        """`folder/file.c function` in a document names a file in src/ (or from the root), and a function with its body there."""
        found = next((each for each in (self.root / "src" / name, self.root / name) if each.exists()), None)
        if not found:
            self.report(path, number, f"`{name}` does not exist")
        elif word and not re.search(rf"^\w[^;{{}}]*\b{word}\([^;{{}}]*\)\n?\s?{{", found.read_text(encoding="utf-8"), re.M):
            self.report(path, number, f"`{name}` does not define `{word}`")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--root", default=Path(__file__).resolve().parents[1])
    parser.add_argument("--only", nargs="*", help="report findings of these files only")
    options = parser.parse_args(arguments)
    findings = Tidy(options.root).run()
    if options.only is not None:
        findings = [finding for finding in findings if finding[0] in options.only]
    for path, line, text in findings:
        print(f"{path}:{line}: {text}")
    print(f"tidy: {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
