"""test_tidy.py: a small tree without findings, then the same tree with one fault planted, for each rule of tools/tidy.py.

SPDX-License-Identifier: Apache-2.0"""

from pathlib import Path

import pytest
import tidy

ROOT = Path(__file__).resolve().parents[2]
LAYERS = (ROOT / "tools/layers.toml").read_text(encoding="utf-8")
SPDX = "SPDX-License-Identifier: Apache-2.0"
HEADER = "\t".join(["item", "seed", "what we do", "status", "shown by"])
ROWS = [f"{item}\tS0\tdoes it\topen\t" for item in range(1, 141)]
PICTURE = """<!-- layers -->
```
cli             run
app             roots
admin policy    faces
gateway         routes
upstream        hosts
http tls        bytes
net             streams
observe         counts
config          tables
json os         two
base            libc
```
"""


def c_file(name, body):
    return f"/* {name}: what it is for. {SPDX} */\n{body}"


def clean_tree():
    """Path to content of a tree that tidy has nothing to say about."""
    return {
        "tools/layers.toml": LAYERS,
        "docs/ARCHITECTURE.md": PICTURE,
        "docs/seed-checklist.tsv": "\n".join([HEADER, *ROWS]) + "\n",
        "src/base/str.h": c_file("str.h", "struct str;\n"),
        "src/base/str.c": c_file("str.c", '#include "base/str.h"\n'),
        "src/base/meson.build": "base = files('str.c')\n",
        "src/os/world.h": c_file("world.h", '#include "base/str.h"\n'),
        "src/os/linux.c": c_file("linux.c", '#include "os/world.h"\nint f(void)\n{\n    return socket(1);\n}\n'),
        "src/os/meson.build": "os = files('linux.c')\n",
        "src/http/conn.h": c_file("conn.h", '#include "os/world.h"\n'),
        "src/http/h1_internal.h": c_file("h1_internal.h", '#include "http/conn.h"\n'),
        "src/http/conn.c": c_file("conn.c", '#include "http/h1_internal.h"\n'),
        "src/http/meson.build": "http = files('conn.c')\n",
        "sim/sim.h": c_file("sim.h", '#include "http/conn.h"\n'),
        "tests/unit/test_conn.c": c_file("test_conn.c", '#include "http/h1_internal.h"\n#include "sim/sim.h"\n'),
        "tests/unit/meson.build": "tests = files('test_conn.c')\n",
    }


def findings(root, tree):
    for name, text in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [f"{path}:{line}: {text}" for path, line, text in tidy.Tidy(root).run()]


def test_a_clean_tree_has_no_findings(tmp_path):
    assert not findings(tmp_path, clean_tree())


def function(lines):
    return "static void long_one(void)\n{\n" + "    ;\n" * (lines - 2) + "}\n"


def checklist(row, text):
    rows = [text if number == row else old for number, old in enumerate(ROWS, 1)]
    return "\n".join([HEADER, *rows]) + "\n"


# name: (path, its text, line of the finding, words in the finding)
PLANTED = {
    "include_up": ("src/base/str.c", c_file("str.c", '#include "base/str.h"\n#include "http/conn.h"\n'), 3, "includes up"),
    "include_sideways": ("src/os/linux.c", c_file("linux.c", '#include "json/json.h"\n'), 2, "includes sideways"),
    "include_private": ("src/gateway/x.h", c_file("x.h", '#include "http/h1_internal.h"\n'), 2, "private header of http/"),
    "include_of_the_simulator": ("src/http/conn.c", c_file("conn.c", '#include "sim/sim.h"\n'), 2, "does not see sim/"),
    "include_of_unknown_folder": ("src/misc/x.h", c_file("x.h", '#include "base/str.h"\n'), 2, "not in tools/layers.toml"),
    "banned_call": ("src/http/conn.c", c_file("conn.c", "int f(void)\n{\n    return recv (1);\n}\n"), 4, "recv() is banned"),
    "banned_time_in_sim": ("sim/sim.h", c_file("sim.h", "static int t = time(0);\n"), 2, "time() is banned"),
    "long_function": ("src/base/str.c", c_file("str.c", function(71)), 3, "has 71 lines"),
    "long_file": ("src/base/str.c", c_file("str.c", "int a;\n" * 600), 601, "look for the seam"),
    "long_script": ("tools/x.py", f'"""{SPDX}"""\n' + "a = 1\n" * 600, 601, "look for the seam"),
    "no_opening_comment": ("src/base/str.c", "int a;\n", 1, "does not open"),
    "opening_of_another_file": ("src/base/str.c", c_file("text.c", "int a;\n"), 1, "does not open"),
    "no_licence_line": ("src/base/str.c", "/* str.c: slices. */\n", 1, "no line SPDX"),
    "no_licence_line_in_a_script": ("tools/x.py", "a = 1\n", 1, "no line SPDX"),
    "open_work": ("src/base/str.c", c_file("str.c", "/* TODO: later */\n"), 2, "open work"),
    "tab": ("src/base/str.c", c_file("str.c", "int\ta;\n"), 2, "tab"),
    "trailing_space": ("docs/x.md", "text \n", 1, "white space"),
    "conflict_mark": ("docs/x.md", "<<<<<<< HEAD\n", 1, "conflict"),
    "left_by_a_tool": ("p.gs1", "PERFILE2h\0\0", 1, "not a text"),
    "no_last_newline": ("docs/x.md", "text", 1, "no newline"),
    "dead_header": ("src/base/map.h", c_file("map.h", "struct map;\n"), 1, "no file includes"),
    "dead_source": ("src/base/map.c", c_file("map.c", "int a;\n"), 1, "no meson.build"),
    "picture_differs": ("docs/ARCHITECTURE.md", PICTURE.replace("json os         two", "json            two"), 1, "differ"),
    "document_names_a_missing_file": ("docs/ARCHITECTURE.md", PICTURE + "`os/epoll.c wait`\n", 15, "does not exist"),
    "document_names_a_missing_function": ("docs/ARCHITECTURE.md", PICTURE + "`base/str.c str_gone`\n", 15, "does not define"),
    "document_names_a_missing_function_over_two_lines": ("docs/ARCHITECTURE.md", PICTURE + "\n`os/linux.c\ngone`\n", 16,
                                                         "does not define"),
    "document_names_what_is_only_called_there": ("docs/ARCHITECTURE.md", PICTURE + "`os/linux.c socket`\n", 15,
                                                 "does not define"),
    "document_names_what_is_only_declared_there": ("docs/ARCHITECTURE.md", PICTURE + "`base/str.h str`\n", 15,
                                                   "does not define"),
    "checklist_done_without_proof": ("docs/seed-checklist.tsv", checklist(7, "7\tS0\tx\tdone\t"), 8, "names no test"),
    "checklist_proof_is_missing": ("docs/seed-checklist.tsv", checklist(7, "7\tS0\tx\tdone\ttests/no.py"), 8, "not exist"),
    "checklist_word_is_missing": ("docs/seed-checklist.tsv", checklist(7, "7\tS0\tx\tdone\tsrc/base/str.h::nothing"), 8,
                                  "does not have"),
    "checklist_state": ("docs/seed-checklist.tsv", checklist(7, "7\tS0\tx\tmaybe\t"), 8, "state `maybe`"),
    "checklist_order": ("docs/seed-checklist.tsv", checklist(7, "8\tS0\tx\topen\t"), 8, "item 8, expected 7"),
    "checklist_columns": ("docs/seed-checklist.tsv", checklist(7, "7\tS0\tx\topen"), 8, "4 columns"),
    "checklist_short": ("docs/seed-checklist.tsv", "\n".join([HEADER, *ROWS[:-1]]) + "\n", 140, "139 items"),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found_at_its_line(tmp_path, fault):
    path, text, line, words = PLANTED[fault]
    tree = clean_tree()
    tree[path] = text
    found = [each for each in findings(tmp_path, tree) if each.startswith(f"{path}:{line}: ")]
    assert any(words in each for each in found)


# What looks like a fault and is none: the body of src/http/conn.c.
INNOCENT = {
    "call_in_a_comment": "/* recv(1) would block. */\n",
    "call_in_a_string": 'static const char *a = "recv(1)";\n',
    "operation_of_a_table": "int f(struct world *w)\n{\n    return w->ops->recv(w) + w->ops.read(w);\n}\n",
    "longer_name": "int tcp_recv(int a);\n",
    "quote_in_a_character": "static char a = '\"';\nstatic char b = '\\'';\n",
    "function_of_70_lines": function(70),
    "open_work_with_an_issue": "/* TODO(#12): later. */\n",
}


@pytest.mark.parametrize("case", INNOCENT)
def test_innocent_code_is_left_alone(tmp_path, case):
    tree = clean_tree()
    tree["src/http/conn.c"] = c_file("conn.c", '#include "http/h1_internal.h"\n' + INNOCENT[case])
    assert not findings(tmp_path, tree)


def test_os_may_call_the_system_and_nobody_else(tmp_path):
    tree = clean_tree()
    tree["src/http/conn.c"] = tree["src/os/linux.c"].replace("linux.c:", "conn.c:")
    assert [each for each in findings(tmp_path, tree) if "socket()" in each]
    assert not [each for each in findings(tmp_path, clean_tree()) if "socket()" in each]


def test_a_document_may_name_a_function_that_is_there(tmp_path):
    tree = clean_tree()
    tree["docs/ARCHITECTURE.md"] = PICTURE + "`os/linux.c f`, `os/linux.c\nf`, `base/str.h`\n"
    assert not findings(tmp_path, tree)


def test_an_allowed_file_may_call_what_it_names_only(tmp_path):
    tree = clean_tree()
    tree["tools/layers.toml"] = LAYERS + '\n[allowed."src/base/str.c"]\ncalls = "fprintf"\n'
    tree["src/base/str.c"] = c_file("str.c", "int f(void)\n{\n    return fprintf(1) + fputs(2);\n}\n")
    found = findings(tmp_path, tree)
    assert len(found) == 1 and "fputs()" in found[0]


def test_only_narrows_the_report(tmp_path, capsys):
    tree = clean_tree()
    tree["docs/x.md"] = "text "
    findings(tmp_path, tree)
    assert tidy.main(["--root", str(tmp_path), "--only", "src/base/str.c"]) == 0
    assert tidy.main(["--root", str(tmp_path), "--only", "docs/x.md"]) == 1
    assert "docs/x.md:1" in capsys.readouterr().out
