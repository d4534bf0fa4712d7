"""bench_peers.py: how each peer of ./dev bench is started: bench/peers/ has the settings, this fills in the names. Who is not
here is left out with a reason. SPDX-License-Identifier: Apache-2.0"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import bench_rows
from common import BUILD, ROOT, say

SETTINGS = ROOT / "bench/peers"
KRAKEND_MODULE = "github.com/krakend/krakend-ce/v2/cmd/krakend-ce@latest"
KRAKEND_FOLDER = BUILD / "bench/krakend"
GO_LIMIT_S = 900


class NotHere(Exception):
    """This peer is not on this machine; the message says why."""


@dataclass(frozen=True)
class Place:
    """What a peer needs to know: a folder of its own, its ports, where the origin is, a certificate."""

    work: Path
    port: int
    tls_port: int
    origin: int
    origin_tls: int
    certificate: Path
    key: Path
    pem: Path
    binary: Path  # holdfast
    tools: Path  # rig_relay and others


def find(name):
    program = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not program:
        raise NotHere(f"{name} is not installed")
    return program


def fill(template, place, **more):
    """The file with @NAMES@ filled in, written into the peer's folder; returns its path."""
    names = {"WORK": place.work, "PORT": place.port, "TLS_PORT": place.tls_port, "ORIGIN": place.origin,
             "CERT": place.certificate, "KEY": place.key, "PEM": place.pem, "FILES": 20000, "CONNECTIONS": 17000, **more}
    text = (SETTINGS / template).read_text(encoding="utf-8")
    path = place.work / template
    path.write_text(re.sub(r"@([A-Z_]+)@", lambda match: str(names[match.group(1)]), text), encoding="utf-8")
    return path


def relay(place, hosts=1):
    return [place.tools / "rig_relay", place.origin, place.port, place.tls_port, place.certificate, place.key, hosts]


def nginx(place):
    return [find("nginx"), "-p", place.work, "-c", fill("nginx.conf", place)]


def haproxy(place, more=""):
    return [find("haproxy"), "-db", "-f", fill("haproxy.cfg", place, MORE=more)]


def h2o(place):
    return [find("h2o"), "-m", "worker", "-c", fill("h2o.conf", place, USER="user: root" if os.geteuid() == 0 else "")]


def apache(place):
    program, modules = find("apache2"), Path("/usr/lib/apache2/modules")
    if not (modules / "mod_http2.so").exists():
        raise NotHere("Apache's modules are not in /usr/lib/apache2/modules")
    built_in = subprocess.run([program, "-l"], capture_output=True, text=True, check=False).stdout
    user = "" if "mod_unixd" in built_in else f"LoadModule unixd_module {modules}/mod_unixd.so\n"
    user += "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    return [program, "-DFOREGROUND", "-f", fill("apache.conf", place, MODULES=modules, USER=user)]


def installed_krakend():
    """Path or None."""
    built = KRAKEND_FOLDER / "krakend-ce"
    return shutil.which("krakend") or shutil.which("krakend-ce") or (str(built) if built.exists() else None)


def krakend(place):
    return [installed_krakend() or install_krakend(), "run", "-c", fill("krakend.json", place)]


def install_krakend():
    """By its Go module, once; that it failed is remembered until the file is deleted."""
    program, reason = KRAKEND_FOLDER / "krakend-ce", KRAKEND_FOLDER / "not-here.txt"
    if reason.exists():
        raise NotHere(reason.read_text(encoding="utf-8").strip())
    if not shutil.which("go"):
        raise NotHere("KrakenD CE is not installed, and there is no Go to build it with")
    say("building KrakenD CE by its Go module; this is tried once")
    KRAKEND_FOLDER.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "GOBIN": str(KRAKEND_FOLDER)}
    try:
        done = subprocess.run(["go", "install", KRAKEND_MODULE], env=env, capture_output=True, text=True, check=False,
                              timeout=GO_LIMIT_S)
        failed = "" if done.returncode == 0 else "its Go module cannot be had or built here"
    except subprocess.TimeoutExpired:
        failed = f"building it took longer than {GO_LIMIT_S} s"
    if failed:
        reason.write_text(f"KrakenD CE is not installed, and {failed}\n", encoding="utf-8")
        raise NotHere(reason.read_text(encoding="utf-8").strip())
    return program


def holdfast(place, change=lambda config, place: None, template="holdfast.json"):
    path = fill(template, place)
    config = json.loads(path.read_text(encoding="utf-8"))
    change(config, place)
    path.write_text(json.dumps(config), encoding="utf-8")
    return [place.binary, "run", "-c", path]


def backend(place, path, hosts=None):
    return {"host": hosts or [f"http://127.0.0.1:{place.origin}"], "url_pattern": path, "encoding": "no-op"}


def with_routes(count):
    def change(config, place):
        config["endpoints"] = [{"endpoint": f"/r{i}/bytes/{{size}}", "output_encoding": "no-op",
                                "backend": [backend(place, "/bytes/{size}")]} for i in range(count)]
    return change


def with_hosts(count):
    def change(config, place):
        hosts = [f"http://127.0.{1 + i // 256}.{i % 256}:{place.origin}" for i in range(count)]
        config["endpoints"][0]["backend"] = [backend(place, "/*", hosts)]
    return change


def without_reuse(config, place):
    config["disable_keep_alives"] = True


def with_idle_cap(count):
    def change(config, place):
        config["max_idle_connections_per_host"] = count
    return change


def with_idle_timeout(milliseconds):
    def change(config, place):
        config["extra_config"]["holdfast/upstream"]["idle_timeout"] = f"{milliseconds}ms"
    return change


def with_a_plain_pool(config, place):
    """Nothing is learned, sent again or moved to another host: what a pool is elsewhere."""
    plain = {"idle_timeout": "never", "resend": "off", "failover": "off", "eject_after": 0}
    config.setdefault("extra_config", {}).setdefault("holdfast/upstream", {}).update(plain)


def over_tls(then=lambda config, place: None):
    def change(config, place):
        config["client_tls"] = {"allow_insecure_connections": True, "curve_preferences": [29]}
        config["endpoints"][0]["backend"] = [backend(place, "/*", [f"https://127.0.0.1:{place.origin_tls}"])]
        then(config, place)
    return change


def spoken(protocol):
    def change(config, _place):
        config["extra_config"]["holdfast/upstream"]["protocol"] = protocol
    return change


def with_tunnels(config, place):
    tunnel = {**backend(place, "/ws"), "extra_config": {"holdfast/upstream": {"class": "tunnel"}}}
    config["endpoints"] = [{"endpoint": "/ws", "output_encoding": "no-op", "input_headers": ["*"], "backend": [tunnel]}]


def changed(change):
    return lambda place: holdfast(place, change)


# Name to a function(Place) that gives the command line or raises NotHere. One that a stage needs in another way is in STAGES.
PEERS = {
    "relay": relay,
    "relay-1000-hosts": lambda place: relay(place, 1000),
    "nginx": nginx,
    "haproxy": haproxy,
    "haproxy-splice": lambda place: haproxy(place, "  option splice-response"),
    "h2o": h2o,
    "apache": apache,
    "krakend": krakend,
    "holdfast": holdfast,
    "holdfast-1000-routes": changed(with_routes(1000)),
    "holdfast-1000-hosts": changed(with_hosts(1000)),
    "holdfast-no-reuse": changed(without_reuse),
    "holdfast-plain-pool": changed(with_a_plain_pool),
    "holdfast-tls": changed(over_tls()),
    "holdfast-to-h1": changed(over_tls(spoken("http/1.1"))),
    "holdfast-to-h2": changed(over_tls(spoken("h2"))),
    "holdfast-tunnel": changed(with_tunnels),
    "holdfast-no-reuse-tls": changed(over_tls(without_reuse)),
    **{f"holdfast-cap-{count}": changed(with_idle_cap(count)) for count in bench_rows.CAPS},
    **{f"holdfast-idle-{time}ms": changed(with_idle_timeout(time)) for time in bench_rows.IDLE_TIMEOUTS_MS},
}
STAGES = {
    "json": {"holdfast": lambda place: holdfast(place, template="krakend.json")},
    "routes": {"holdfast": changed(with_routes(1))},
}


def command(name, stage, place):
    return STAGES.get(stage, {}).get(name, PEERS[name])(place)


def version_of(name):
    """What the report says of the peer's version."""
    words = {"nginx": ["nginx", "-v"], "haproxy": ["haproxy", "-v"], "h2o": ["h2o", "--version"],
             "apache": ["apache2", "-v"], "krakend": ["krakend", "version"], "wrk": ["wrk", "-v"],
             "h2load": ["h2load", "--version"], "valgrind": ["valgrind", "--version"]}.get(name)
    try:
        program = (name == "krakend" and installed_krakend()) or find(words[0])
        done = subprocess.run([program, *words[1:]], capture_output=True, text=True, check=False, timeout=10)
    except NotHere:
        return None
    found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
    return found.group(0) if found else "unknown"
