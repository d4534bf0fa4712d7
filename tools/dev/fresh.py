"""fresh.py: the word `fresh RELEASE`: the README's two commands in a bare Debian made by debootstrap. Run by hand before
each release; needs root.

The mirror, proxy, certificates and name servers are this machine's own, read when it runs. Mounts live in a private mount
namespace, so they are gone however this ends. SPDX-License-Identifier: Apache-2.0"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from common import BUILD, ROOT, Failed, say

RELEASES = ("bookworm", "trixie")
INSIDE = "root/holdfast"  # where the tree lies in the new system
COMMANDS = {"setup": "./dev setup", "demo": "./dev demo --once", "test": "./dev test"}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# $1: the root folder, $2: what to run in it. Runs in its own mount and process namespace.
IN_CHROOT = """
mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount --rbind /sys "$1/sys" &&
mount -t tmpfs tmpfs "$1/run" && exec chroot "$1" /bin/sh -c "cd /%s && $2"
""" % INSIDE


def host_release():
    text = Path("/etc/os-release").read_text(encoding="utf-8")
    found = re.search(r"^VERSION_CODENAME=(\S+)", text, flags=re.M)
    return found.group(1) if found else ""


def read_stanzas(text):
    """(uri, suite) pairs of a deb822 .sources file."""
    pairs = []
    for stanza in re.split(r"\n\s*\n", re.sub(r"^#.*\n", "", text, flags=re.M)):
        fields = dict(re.findall(r"^(\w[\w-]*):[ \t]*(.*)$", stanza, flags=re.M))
        if "deb" in fields.get("Types", "").split() and fields.get("Enabled", "yes") != "no":
            pairs += [(uri, suite) for uri in fields.get("URIs", "").split() for suite in fields.get("Suites", "").split()]
    return pairs


def read_lines(text):
    """(uri, suite) pairs of a one-line-style sources list."""
    return re.findall(r"^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)", text, flags=re.M)


def host_sources():
    """All (uri, suite) pairs of this machine's apt configuration."""
    pairs = []
    folder = Path("/etc/apt/sources.list.d")
    for path in [Path("/etc/apt/sources.list"), *sorted(folder.glob("*.list")), *sorted(folder.glob("*.sources"))]:
        if path.exists():
            text = path.read_text(encoding="utf-8")
            pairs += read_stanzas(text) if path.suffix == ".sources" else read_lines(text)
    return pairs


def sources_for(release, pairs, host):
    """The host's Debian sources with its own release's name replaced: (uri, suite), the main archive first."""
    found = []
    for uri, suite in pairs:
        name, dash, rest = suite.partition("-")
        if name in (host, "stable", "oldstable") and rest in ("", "updates", "security"):
            found.append((uri, release + dash + rest))
    found.sort(key=lambda pair: pair[1] != release)
    if not found or found[0][1] != release:
        raise Failed(f"no Debian archive for {host} among this machine's apt sources")
    return found


def apt_settings():
    """This machine's proxy, certificate and date settings, as lines of apt.conf."""
    shown = subprocess.run(["apt-config", "dump"], stdout=subprocess.PIPE, check=True).stdout.decode()
    wanted = re.compile(r"^Acquire::(?:(?:https?)(?:::.*)?|Check-Valid-Until|Check-Date|Retries) ")
    return [line for line in shown.splitlines() if wanted.match(line) and not line.endswith(' "";')]


def copy_if_there(path, root):
    if Path(path).exists():
        target = Path(f"{root}{path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        if Path(path).is_dir():
            shutil.copytree(path, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(path, target)


def make_root(release, root):
    """A minimal Debian in `root`, with this machine's way to its mirror."""
    sources = sources_for(release, host_sources(), host_release())
    log = root.parent / "debootstrap.log"
    say(f"debootstrap {release} (log: {log.relative_to(ROOT)})")
    with open(log, "wb") as out:
        code = subprocess.call(["debootstrap", "--variant=minbase", release, str(root), sources[0][0]], stdout=out,
                               stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    if code != 0:
        raise Failed(f"debootstrap ended with code {code}; see {log.relative_to(ROOT)}")
    lines = [f"deb [signed-by={KEYRING}] {uri} {suite} main" for uri, suite in sources]
    (root / "etc/apt/sources.list").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (root / "etc/apt/apt.conf.d/90host").write_text("\n".join(apt_settings()) + "\n", encoding="utf-8")
    for path in ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt",
                 "/usr/local/share/ca-certificates"):
        copy_if_there(path, root)


def copy_tree(root):
    """What is committed, and nothing else."""
    target = root / INSIDE
    target.mkdir(parents=True)
    git = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT)]
    if subprocess.run([*git, "status", "--porcelain"], stdout=subprocess.PIPE, check=True).stdout:
        say("note: changes that are not committed are not part of this run")
    archive = subprocess.Popen([*git, "archive", "HEAD"], stdout=subprocess.PIPE)
    unpacked = subprocess.call(["tar", "-x", "-C", str(target)], stdin=archive.stdout)
    if unpacked != 0 or archive.wait() != 0:
        raise Failed("git archive HEAD failed")


def run_inside(root, command):
    """Runs `command` in the new system with almost no environment. Returns the exit code."""
    passed_on = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "TERM", "CI")
    env = {name: os.environ[name] for name in passed_on if name in os.environ}
    env.update(HOME="/root", PATH="/usr/sbin:/usr/bin:/sbin:/bin")
    return subprocess.call(["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
                            "/bin/sh", "-c", IN_CHROOT, "sh", str(root), command], env=env, stdin=subprocess.DEVNULL)


def fresh(arguments):
    """The word `fresh RELEASE [setup|demo|test...]`: all of README's commands unless some are named. Returns the exit code."""
    release, words = (arguments[0] if arguments else ""), arguments[1:] or ["demo", "test"]
    if release not in RELEASES or any(word not in COMMANDS for word in words):
        raise Failed("usage: ./dev fresh bookworm|trixie [setup|demo|test...]")
    if os.geteuid() != 0:
        raise Failed("debootstrap and chroot need root: sudo ./dev fresh " + " ".join(arguments))
    root = BUILD / "fresh" / release / "root"
    shutil.rmtree(root.parent, ignore_errors=True)
    root.mkdir(parents=True)
    try:
        make_root(release, root)
        copy_tree(root)
        for word in words:
            say(f"== {release}: {COMMANDS[word]}")
            code = run_inside(root, COMMANDS[word])
            say(f"== {release}: {COMMANDS[word]}: exit code {code}")
            if code != 0:
                return 1
    finally:
        logs = root / INSIDE / "build/test"
        if logs.is_dir():
            shutil.copytree(logs, root.parent / "test", dirs_exist_ok=True)
        shutil.rmtree(root, ignore_errors=True)
    return 0
