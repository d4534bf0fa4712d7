"""style.py: the words `tidy` and `fmt`, and the git hook that runs both on what is about to be committed.

The format is what clang-format 14 makes of .clang-format; other versions break lines elsewhere, so without that one the
format is not checked, and we say so. SPDX-License-Identifier: Apache-2.0"""

import os
import re
import stat
import subprocess

from common import PYTHON, ROOT, Failed, run_logged, say

FORMAT_VERSION = "14"
FOLDERS = ("src", "sim", "tests", "fuzz", "bench")


def formatter():
    """Path of clang-format 14, or None."""
    for name in (f"clang-format-{FORMAT_VERSION}", "clang-format"):
        try:
            shown = subprocess.run([f"/usr/bin/{name}", "--version"], stdout=subprocess.PIPE, check=False).stdout.decode()
        except OSError:
            continue
        if re.search(rf"version {FORMAT_VERSION}\.", shown):
            return f"/usr/bin/{name}"
    return None


def c_files():
    return sorted(path for folder in FOLDERS for pattern in ("*.c", "*.h") for path in (ROOT / folder).rglob(pattern))


def run(command, log):
    """Runs with its output on the screen, or at the end of `log` when there is one."""
    if log:
        return run_logged(command, log, append=True)
    return subprocess.call([str(word) for word in command], cwd=ROOT)


def check_format(files, log=None):
    """Names the first line of each file that clang-format would change. Returns the exit code."""
    program = formatter()
    if not program:
        say(f"format not checked: clang-format {FORMAT_VERSION} is not here")
        return 0
    command = [program, "--dry-run", "--ferror-limit=1", *map(str, files)]
    shown = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, check=False).stderr.decode() if files else ""
    places = {}
    for path, line in re.findall(r"^(\S+):(\d+):\d+: \w+: code should be clang-formatted", shown, flags=re.M):
        places.setdefault(os.path.relpath(ROOT / path, ROOT), line)
    text = "".join(f"{path}:{line}: not formatted\n" for path, line in places.items())
    text += f"format: {len(places)} files differ" + (" (./dev fmt puts them right)" if places else "")
    if log:
        with open(log, "a", encoding="utf-8") as out:
            out.write(text + "\n")
    else:
        say(text)
    return 1 if places else 0


def tidy(arguments=(), log=None):
    """Layers and habits by tools/tidy.py, then the format. Returns the exit code."""
    code = run([PYTHON, "-B", ROOT / "tools/tidy.py", *arguments], log)
    return check_format(c_files(), log) or code


def fmt(arguments):
    """The word `fmt [--check]`."""
    if arguments not in ([], ["--check"]):
        raise Failed("usage: ./dev fmt [--check]")
    if arguments:
        return check_format(c_files())
    program = formatter()
    if not program:
        raise Failed(f"clang-format {FORMAT_VERSION} is not here, and another version would change every file")
    return subprocess.call([program, "-i", *c_files()], cwd=ROOT)


def git(*words):
    return subprocess.run(["git", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)


def pre_commit():
    """What the hook runs: white space and conflict marks, tidy and format, judged for the staged files only."""
    staged = git("diff", "--cached", "--name-only", "--diff-filter=ACMR").stdout.decode().split("\n")
    staged = [name for name in staged if name and (ROOT / name).is_file()]
    code = subprocess.call(["git", "diff", "--cached", "--check"], cwd=ROOT)
    if not staged:
        return code
    code = subprocess.call([PYTHON, "-B", str(ROOT / "tools/tidy.py"), "--only", *staged], cwd=ROOT) or code
    return check_format([name for name in staged if name.endswith((".c", ".h"))]) or code


def install_hook():
    """Puts the pre-commit hook into this clone, unless there is one that is not ours, or git."""
    try:
        found = git("rev-parse", "--git-path", "hooks/pre-commit")
    except OSError:
        return
    if found.returncode != 0 or os.environ.get("CI"):
        return
    hook = ROOT / found.stdout.decode().strip()
    content = "#!/bin/sh\n# Installed by ./dev setup.\nexec ./dev pre-commit\n"
    if hook.exists():
        if hook.read_text(encoding="utf-8", errors="replace") != content:
            say(f"left alone: {hook} is not ours")
        return
    hook.parent.mkdir(parents=True, exist_ok=True)
    hook.write_text(content, encoding="utf-8")
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    say("installed: git pre-commit hook (tidy and format of the staged files)")
