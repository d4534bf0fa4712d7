"""build.py: the build trees build/<kind>, made by Meson and ninja. Flags are in the root meson.build, not here.

SPDX-License-Identifier: Apache-2.0"""

import fcntl
import json
import os
import subprocess
from contextlib import contextmanager

from common import BUILD, ROOT, BuildFailed, Failed, environment, run_logged, say, tool

KINDS = ("release", "training", "tuned", "debug", "tsan", "fuzz", "plain", "cover")


def compiler_environment(kind):
    """libFuzzer comes with clang only; all other kinds are built with gcc unless CC says otherwise."""
    return environment(CC="clang" if kind == "fuzz" else os.environ.get("CC", "gcc"))


@contextmanager
def lock(kind):
    """Two ./dev at a time must not write the same tree: ninja itself does not look."""
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / f".{kind}.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another build of {kind}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def call(command, log, env):
    """Runs a step of a build: with its output on the screen, or in `log` when there is one. Returns the exit code."""
    if log:
        return run_logged(command, log, limit_s=1800, env=env, append=True)
    return subprocess.call([str(word) for word in command], cwd=ROOT, env=env)


def is_configured(kind):
    return (BUILD / kind / "build.ninja").exists()


def introspect(kind, what):
    """What Meson knows of a configured tree: "targets", "tests" or "buildoptions", as its own JSON."""
    done = subprocess.run([tool("meson"), "introspect", f"--{what}", BUILD / kind], cwd=ROOT, stdout=subprocess.PIPE,
                          check=False)
    if done.returncode != 0:
        raise Failed(f"meson introspect --{what} failed for build/{kind}")
    return json.loads(done.stdout)


def warnings_are_errors(kind):
    return any(option["name"] == "werror" and option["value"] is True for option in introspect(kind, "buildoptions"))


def build(kind, targets=(), strict=False, log=None):
    """Configures build/<kind> if needed and builds it, or only `targets` (paths in the tree). With `strict` warnings are
    errors from then on. Raises Failed with what to look at."""
    if kind not in KINDS:
        raise Failed(f"no build is called {kind}: there are {', '.join(KINDS)}")
    env = compiler_environment(kind)
    tree = BUILD / kind
    with lock(kind):
        if not is_configured(kind):
            command = [tool("meson"), "setup", tree, f"-Dkind={kind}", f"-Dwerror={'true' if strict else 'false'}"]
            if call(command, log, env) != 0:
                raise BuildFailed(f"configuring build/{kind} failed")
        elif strict and not warnings_are_errors(kind):
            if call([tool("meson"), "configure", tree, "-Dwerror=true"], log, env) != 0:
                raise BuildFailed(f"configuring build/{kind} failed")
        if call([tool("ninja"), "-C", tree, *targets], log, env) != 0:
            raise BuildFailed(f"building build/{kind} failed")


def configure(kind, log=None):
    """Makes sure that build/<kind> can be introspected, without building anything but build.ninja itself."""
    build(kind, targets=["build.ninja"], log=log)


def executables(kind, prefix):
    """The executables of a configured tree whose name begins so: name to path, sorted."""
    found = {}
    for target in introspect(kind, "targets"):
        if target["type"] == "executable" and target["name"].startswith(prefix):
            found[target["name"]] = target["filename"][0]
    return dict(sorted(found.items()))


def build_executables(kind, prefix, strict=False, log=None):
    """Builds the executables whose name begins so and nothing else; returns them as `executables` does."""
    configure(kind, log=log)
    found = executables(kind, prefix)
    if not found:
        raise Failed(f"no executable {prefix}* is described for build/{kind}")
    build(kind, [os.path.relpath(path, BUILD / kind) for path in found.values()], strict=strict, log=log)
    return found
