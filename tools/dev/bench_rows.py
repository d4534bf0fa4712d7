"""bench_rows.py: the rows of ./dev bench as data. A row is a kind of traffic, the lanes that are loaded in turn, and the goal
that issue 7 sets. `./dev bench --list` prints them, and `--rows sweep` measures those whose names begin so. SPDX-License-Identifier: Apache-2.0"""

from dataclasses import dataclass, field, replace

from common import Failed

PROXIES = ("relay", "nginx", "haproxy", "h2o", "apache", "holdfast")
H2_PROXIES = ("nginx", "haproxy", "h2o", "apache", "holdfast")
JSON = ("nginx", "krakend", "holdfast")


@dataclass(frozen=True)
class Load:
    """What the clients do; `path` may differ by lane (Lane.path)."""

    path: str = "/bytes/128"
    paths: int = 1  # an @ in the path is a number below this
    body_bytes: int = 128  # 0: any
    connections: int = 64
    inflight: int = 64
    mode: str = "keep"  # keep, close, websocket, tls, tls-full, tls-resumed; h2 is h2load's, wrk is wrk's
    head: str = "small"
    rate: float = 0  # requests a second, evenly; 0: as many as it takes (a closed loop)

    @property
    def tls(self):
        return self.mode.startswith("tls") or self.mode == "h2"


@dataclass(frozen=True)
class Lane:
    """One peer under one load. `base`: the lane it is compared with. `label` tells apart lanes of one peer."""

    peer: str
    base: str
    label: str = ""
    path: str = ""  # instead of the row's
    connections: int = 0

    @property
    def name(self):
        return self.label or self.peer


@dataclass(frozen=True)
class Also:
    """A further goal of a row's judged lane: one of bench_stats.MEASURES_ALSO, at most (or at least) so much."""

    what: str
    limit: float
    least: bool = False


@dataclass(frozen=True)
class Row:
    name: str
    about: str
    lanes: tuple
    load: Load = field(default_factory=Load)
    kind: str = "load"  # load, idle-bytes, rest
    stage: str = "main"  # what is up at the same time
    goal: float = None  # CPU per request of `judged` to its base, at most
    judged: str = "holdfast"
    grows_as: str = ""  # the goal is multiplied with the ratio of this lane, if that is above 1
    note: str = ""
    bytes_max: int = 0  # the goal of idle-bytes
    congestion: str = ""  # TCP's congestion control for the row, instead of the machine's
    also: tuple = ()  # further goals
    fresh_sets: int = 1  # the rounds are spread over so many sets of newly started peers


def versus(base, peers, **more):
    return tuple(Lane(peer, base, **more) for peer in peers)


def against_nginx(name, about, goal=None, note="", peers=PROXIES, **load):
    return Row(name, about, versus("nginx", peers), Load(**load), goal=goal, note=note)


def sized(size):
    return {"path": f"/bytes/{size}", "body_bytes": size}


def json_row(name, about, path):
    # nginx passes a document of about the same size on unread: what JSON costs on top of proxying.
    lanes = (Lane("nginx", "nginx", path="/json/2000"), Lane("krakend", "krakend"), Lane("holdfast", "krakend"))
    return Row(name, about, lanes, Load(path=path, body_bytes=0), stage="json", goal=0.10, also=(Also("memory", 0.10),),
               note="KrakenD CE with the same krakend.json; nginx beside passes a document of 2 KB on unread")


def grown(name, about, stage, small, large, **more):
    """Holdfast, and beside it the relay, small and large; the goal is what the relay's cost grew by, and 10 %."""
    return Row(name, about, (*small, *large), goal=1.10, stage=stage, judged=large[-1].name,
               grows_as=large[0].name if len(large) > 1 else "", **more)


CAPS = (1, 4, 16, 48, 64, 256)  # idle connections that are kept to the host, for 64 requests at once
IDLE_TIMEOUTS_MS = (2, 4, 6, 8, 16, 32)  # around the 5 ms between two requests at 200 a second


def swept(name, about, prefix, values, unit="", **load):
    """One setting in small steps; the largest is what the others are compared with. Where the step must lie is known."""
    base = f"{prefix}-{values[-1]}{unit}"
    return Row(name, about, versus(base, [f"{prefix}-{value}{unit}" for value in values]), Load(**load), stage=name, judged=base)


# With one connection the slices of one start are calm, and the next start of the same program is up to 13 % off (twelve starts:
# 0.94 to 1.13 of the first), so that one set of peers would decide the row by luck.
FRESH_SETS = 6


def alone(row):
    return replace(row, fresh_sets=FRESH_SETS)


ROWS = (
    alone(against_nginx("keepalive-128-1", "128 B, 1 connection", connections=1, inflight=1)),
    replace(against_nginx("keepalive-128-64", "128 B, 64 connections", 0.80, "floor 0.65 in the study"),
            also=(Also("syscalls", 4.10),)),
    against_nginx("keepalive-128-64-wrk", "the same, loaded by wrk: does another load find the same?",
                  peers=("relay", "nginx", "holdfast"), mode="wrk"),
    against_nginx("keepalive-128-1000", "128 B, 1,000 connections", 0.65, "floor 0.56", connections=1000, inflight=1000),
    against_nginx("browser-128-64", "a browser's request of 470 bytes, 64 connections", head="browser"),
    against_nginx("keepalive-16k-64", "16 KiB, 64 connections", 0.75, "floor 0.65", **sized(16384)),
    against_nginx("keepalive-1m-16", "1 MiB, 16 connections", 0.34, "HAProxy with splice-response 0.35 to 0.42",
                  (*PROXIES, "haproxy-splice"), connections=16, inflight=16, **sized(1048576)),
    replace(against_nginx("keepalive-1m-16-reno", "the same with TCP reno, which needs no timer for each piece that is sent", 0.34,
                          "BBR paces by timers, which every peer pays for", ("nginx", "haproxy-splice", "relay", "holdfast"),
                          connections=16, inflight=16, **sized(1048576)), congestion="reno"),
    against_nginx("close-128-64", "a connection for each request, 64 at once", 0.90, "floor 0.84", mode="close"),
    alone(against_nginx("tls-128-1", "TLS, 128 B, 1 connection", connections=1, inflight=1, mode="tls")),
    against_nginx("tls-128-64", "TLS, 128 B, 64 connections", 0.85, "floor 0.70", mode="tls"),
    against_nginx("tls-128-1000", "TLS, 128 B, 1,000 connections", connections=1000, inflight=1000, mode="tls"),
    against_nginx("tls-browser-64", "TLS, a browser's request of 470 bytes, 64 connections", mode="tls", head="browser"),
    against_nginx("tls-16k-64", "TLS, 16 KiB, 64 connections", 0.72, "floor 0.59", mode="tls", **sized(16384)),
    against_nginx("tls-1m-16", "TLS, 1 MiB, 16 connections", 0.72, "floor 0.63", mode="tls", connections=16, inflight=16,
                  **sized(1048576)),
    against_nginx("tls-full-64", "a full TLS handshake for each request", 1.05, "parity within 5 %; floor 0.75", mode="tls-full"),
    against_nginx("tls-resumed-64", "a resumed TLS handshake for each request", mode="tls-resumed"),
    against_nginx("h2-128", "HTTP/2, 128 B, 16 connections of 32 streams", 0.60, "h2o 0.64 in the study", H2_PROXIES, mode="h2",
                  connections=16, inflight=32),
    against_nginx("h2-16k", "HTTP/2, 16 KiB, 16 connections of 32 streams", 0.70, "h2o 0.72 in the study", H2_PROXIES,
                  mode="h2", connections=16, inflight=32, **sized(16384)),
    json_row("json-pass", "JSON endpoint, a document of 2 KB decoded and written again", "/pass"),
    json_row("json-filter", "JSON endpoint with deny, mapping and group", "/filter"),
    json_row("json-merge2", "JSON endpoint, two backends merged", "/merge2"),
    json_row("json-merge5", "JSON endpoint, five backends merged", "/merge5"),
    Row("idle-plain", "memory of an idle client connection, cleartext", versus("nginx", PROXIES), Load(connections=10000),
        kind="idle-bytes", bytes_max=512),
    Row("idle-tls", "memory of an idle client connection, TLS", versus("nginx", PROXIES), Load(connections=10000, mode="tls"),
        kind="idle-bytes", bytes_max=14 * 1024),
    Row("idle-websocket", "memory of an idle WebSocket, both sides of it", versus("holdfast-tunnel", ("holdfast-tunnel",)),
        Load(path="/ws", body_bytes=0, connections=9000, mode="websocket"), kind="idle-bytes", stage="tunnels",
        judged="holdfast-tunnel", bytes_max=2 * 1024),
    Row("rest-15000", "CPU at rest with 15,000 idle connections", versus("nginx", PROXIES[:4] + ("holdfast",)),
        Load(connections=15000), kind="rest"),
    grown("growth-routes", "1 route to 1,000 routes, each asked in turn", "routes",
          (Lane("relay", "relay", path="/bytes/128"), Lane("holdfast", "holdfast", path="/r0/bytes/128")),
          (Lane("holdfast-1000-routes", "holdfast"),), load=Load(path="/r@/bytes/128", paths=1000)),
    grown("growth-hosts", "1 host to 1,000 hosts, in turn", "hosts", (Lane("relay", "relay"), Lane("holdfast", "holdfast")),
          (Lane("relay-1000-hosts", "relay"), Lane("holdfast-1000-hosts", "holdfast"))),
    grown("growth-connections", "10 to 15,000 connections, 10 requests under way", "main",
          (Lane("relay", "relay 10", "relay 10", connections=10), Lane("holdfast", "holdfast 10", "holdfast 10", connections=10)),
          (Lane("relay", "relay 10", "relay 15000", connections=15000),
           Lane("holdfast", "holdfast 10", "holdfast 15000", connections=15000)), load=Load(connections=10, inflight=10)),
    Row("reuse-off-on", "upstream connections not reused, and reused", (Lane("holdfast-no-reuse", "holdfast-no-reuse"),
        Lane("holdfast", "holdfast-no-reuse")), stage="reuse", also=(Also("throughput", 1.5, least=True),),
        note="seed 002: up to 1.5 times the throughput"),
    Row("reuse-off-on-tls", "the same with TLS to the host", (Lane("holdfast-no-reuse-tls", "holdfast-no-reuse-tls"),
        Lane("holdfast-tls", "holdfast-no-reuse-tls")), stage="reuse", judged="holdfast-tls",
        also=(Also("throughput", 1.5, least=True), Also("time", 0.333)),
        note="seed 002: up to 1.5 times the throughput, a third of the time"),
    Row("upstream-h2", "TLS to the host: HTTP/1.1, and HTTP/2", versus("holdfast-to-h1", ("holdfast-to-h1", "holdfast-to-h2")),
        stage="multiplexed", goal=0.8, judged="holdfast-to-h2", note="issue 6; the host is nginx in front of the origin"),
    Row("plain-pool", "a pool that learns nothing and sends nothing again, and ours", (
        Lane("holdfast-plain-pool", "holdfast-plain-pool"), Lane("holdfast", "holdfast-plain-pool")), stage="reuse", goal=1.03,
        note="issue 3: no measurable cost on the hot path"),
    swept("sweep-idle-cap", "how many idle connections are kept, 64 requests at once: all are reused from 64 on", "holdfast-cap", CAPS),
    swept("sweep-idle-timeout", "how long they are kept, a request every 5 ms: all are reused above 5 ms", "holdfast-idle",
          IDLE_TIMEOUTS_MS, "ms", rate=200),
)
QUICK = ("keepalive-128-64", "tls-128-64")
QUICK_PEERS = ("relay", "nginx", "holdfast")


def choose(text, peers=()):
    """Rows by name, or by how their names begin, with commas between, all for an empty text; with `peers`, only lanes of
    these."""
    by_name = {row.name: row for row in ROWS}
    asked = [name.strip() for name in text.split(",")] if text else list(by_name)
    names = [name for one in asked for name in ([one] if one in by_name else
                                                [each for each in by_name if each.startswith(one + "-")] or [one])]
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise Failed(f"bench: no row is called {', '.join(unknown)}; --list tells their names")
    return [only_lanes(by_name[name], lambda lane: not peers or lane.peer in peers) for name in dict.fromkeys(names)]


def only_lanes(row, wanted):
    """The row without the lanes that are not wanted. A lane whose base went is compared with the first that is left, and if
    it is the judged one there is no goal any more."""
    lanes = [lane for lane in row.lanes if wanted(lane)]
    left = {lane.name for lane in lanes}
    fixed = tuple(lane if lane.base in left else replace(lane, base=lanes[0].name) for lane in lanes)
    kept = any(lane.name == row.judged and lane in row.lanes for lane in fixed)
    return replace(row, lanes=fixed, goal=row.goal if kept else None, also=row.also if kept else ())
