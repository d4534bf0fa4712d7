"""test_reload.py: another configuration for a gateway that runs: nobody's connection ends, what was learned of hosts stays, a wrong
file changes nothing, and what cannot change says so. SPDX-License-Identifier: Apache-2.0"""
import itertools
import json
import signal
import socket
import threading
import time

from admin import ADMIN, metrics, pool_of, pools
from configs import backend, endpoint, forward_all, proxy, service
from h2client import Client as Client2
from origin import by_path, reply
from rawhttp import Client, fetch
from test_tls_files import put
from tls_front import TlsClient, context_of, secured, tls_block
from waiting import eventually


def fixed(path, body):
    return endpoint(path, extra_config={"holdfast/answer": {"body": body}})


def plain(*endpoints, server=None, **keys):
    return service(list(endpoints), {"workers": 2, **(server or {})}, {**ADMIN, "router": {"disable_access_log": True}}, **keys)


def status_of(running):
    return json.loads(fetch(running.addresses[-1], "/v1/status").body)


def write(running, config):
    running.path.write_text(config if isinstance(config, str) else json.dumps(config, indent=2), encoding="utf-8")


def ask(running, **keys):
    response = fetch(running.addresses[-1], "/v1/reload", "POST", **keys)
    return response.status, json.loads(response.body)


def reload(running, config):
    """By command; the answer's problems."""
    write(running, config)
    status, answer = ask(running)
    assert (status, answer["result"]) == (200, "ok"), answer
    return answer["problems"]


def reload_by_signal(running, config, result="ok"):
    before = status_of(running)["reloads"][result]
    write(running, config)
    running.send_signal(signal.SIGHUP)
    eventually(lambda: status_of(running)["reloads"][result] > before, what="a reload")


def alone(running):
    """True when nobody serves by an older configuration."""
    return status_of(running)["generations_alive"] == 1


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def test_a_kept_connection_gets_the_new_routes(make):
    running = make.gateway(plain(fixed("/old", "old")))
    client = make.client(running)
    assert (client.get("/old").status, client.get("/new").status) == (200, 404)
    reload_by_signal(running, plain(fixed("/new", "new")))
    answers = eventually(lambda: (answer := client.get("/new")).status == 200 and answer, what="the new route")
    assert answers.body == b"new" and client.get("/old").status == 404
    status = status_of(running)
    assert (status["generation"], status["reloads"]) == (2, {"ok": 1, "failed": 0, "last": "ok"})
    eventually(lambda: alone(running), what="the end of the first generation")
    numbers = metrics(running)
    assert numbers['holdfast_config_reloads_total{result="ok"}'] == 1
    assert numbers["holdfast_config_generation"] == 2 and numbers["holdfast_config_last_reload_success"] == 1
    assert numbers["holdfast_client_connections_opened_total"] >= 1
    assert numbers['holdfast_requests_total{endpoint="/old",method="GET",status="200"}'] == 1, "counters of old routes stay"


def test_a_kept_http2_connection_gets_the_new_routes(make):
    running = make.gateway(plain(fixed("/old", "old"), use_h2c=True))
    client, numbers = Client2(running.address), itertools.count(1, 2)

    def get(path):
        stream = next(numbers)
        client.request(stream, path)
        return client.status(stream)

    assert get("/old") == 200
    reload(running, plain(fixed("/new", "new"), use_h2c=True))
    eventually(lambda: get("/new") == 200, what="the new route")


def test_a_broken_file_changes_nothing_and_tells_why(make):
    running = make.gateway(plain(fixed("/old", "old")))
    client = make.client(running)
    assert client.get("/old").status == 200
    broken = plain(fixed("/old", "old"), timeout="3sec")
    write(running, broken)
    status, answer = ask(running)
    problem = answer["problems"][0]
    assert (status, answer["result"], answer["generation"]) == (422, "failed", 1)
    assert problem["severity"] == "error" and "3sec" in problem["text"] and problem["file"] == str(running.path)
    line = running.path.read_text().split("\n")[problem["line"] - 1]
    assert "3sec" in line and problem["column"] > 1
    reload_by_signal(running, '{"version": 3,', "failed")
    running.wait_output(r"gateway.json:1:\d+: error")
    conflict = plain(fixed("/users/{id}", "a"), fixed("/users/{name}/x", "b"), endpoint("/z", backend("http://nowhere.test:1")))
    reload_by_signal(running, conflict, "failed")
    assert client.get("/old").status == 200
    assert status_of(running)["reloads"] == {"ok": 0, "failed": 3, "last": "failed"}
    assert metrics(running)["holdfast_config_last_reload_success"] == 0
    reload(running, plain(fixed("/new", "new")))
    assert eventually(lambda: client.get("/new").status == 200)


def test_commands_need_the_token(make, tmp_path):
    (tmp_path / "token").write_text("of-the-admin-0123456789\n")
    admin = {"holdfast/admin": {"listen": "127.0.0.1:0", "token_file": str(tmp_path / "token")}}
    running = make.gateway(service([fixed("/", "x")], None, admin))
    assert fetch(running.addresses[-1], "/v1/reload", "POST").status == 401
    assert fetch(running.addresses[-1], "/v1/reload").status == 405
    assert ask(running, fields=[("Authorization", "Bearer of-the-admin-0123456789")])[0] == 200


def test_a_gateway_that_ends_takes_no_configuration(make):
    gate = threading.Event()
    origin = make.origin(lambda conn, _: (gate.wait(30), conn.send(reply(b"late"))))
    running = make.gateway(plain(forward_all(origin, "/slow/*", timeout="30s"), server={"drain_limit": "30s"}))
    client = make.client(running)
    client.send_request("GET", "/slow/x")
    origin.wait_requests(1)
    running.send_signal(signal.SIGTERM)
    eventually(lambda: status_of(running)["draining"])
    write(running, plain(fixed("/new", "x")))
    status, answer = ask(running)
    assert (status, answer["result"], answer["error"]) == (409, "failed", "the gateway ends")
    running.send_signal(signal.SIGHUP)
    assert status_of(running)["generation"] == 1
    gate.set()
    assert client.read_final().body == b"late"
    running.stop(None)


def test_what_did_not_come_from_a_file_cannot_be_loaded_again(make):
    origin = make.origin()
    running = make.process(["run", "--to", origin.url, "-p", str(free_port())])
    running.wait_ready()
    running.send_signal(signal.SIGHUP)
    running.wait_output("did not come from a file")


def learn(running, count=40):
    """Requests around the limit of the origin, until it is known."""
    client = Client(running.address)

    def step():
        for pause in (0.2, 0.45):
            assert client.get("/").status == 200
            time.sleep(pause)
        return pool_of(running)["learner"]["kind"] == "learned"

    with client:
        eventually(step, 40, "a learned limit")


def test_what_was_learned_of_a_host_survives(make):
    """Learned of `holdfast origin --close-idle-after`, and believed after the change as before it."""
    port = free_port()
    origin = make.process(["origin", "--listen", f"127.0.0.1:{port}", "--close-idle-after", "400ms"])
    origin.wait_output("ready|listening|127.0.0.1")
    config = proxy(f"http://127.0.0.1:{port}", {"drain_limit": "5s"}, ADMIN)
    running = make.gateway(config)
    learn(running)
    before = pool_of(running)
    reload_by_signal(running, {**config, "timeout": "7s"})
    eventually(lambda: alone(running), what="the end of the first generation")
    after = pool_of(running)
    assert after["learner"]["kind"] == "learned"
    assert after["learner"]["learned_seconds"] == before["learner"]["learned_seconds"]
    assert after["learner"]["survivals"] >= before["learner"]["survivals"] > 0
    assert after["reused"] >= before["reused"] and after["new"] >= before["new"]
    assert 0 < after["learner"]["usable_seconds"] <= after["learner"]["learned_seconds"]
    assert fetch(running.address).status == 200
    assert pool_of(running)["new_by"].get("cold", 0) == before["new_by"].get("cold", 0), "the host is none that nothing is known of"


def test_a_pooled_connection_goes_on(make):
    origin, other = make.origin(), make.origin()
    config = plain(forward_all(origin, "/a/*"))
    config["extra_config"]["holdfast/server"]["workers"] = 1
    running = make.gateway(config)
    client = make.client(running)
    assert client.get("/a/1").status == 200
    for number in range(3):
        config["endpoints"] = [forward_all(origin, f"/{number}/*"), forward_all(other, "/other/*")]
        reload(running, config)
        assert eventually(lambda: client.get(f"/{number}/x").status == 200)
    assert len(origin.connections) == 1, "the same connection before and after"
    pool = pool_of(running)
    assert (pool["new"], pool["reused"]) == (1, 3)


def test_169_a_host_that_is_left_out_is_let_go(make):
    """Idle connections close, the one in use when its answer is whole; requests that come find no route."""
    gate = threading.Event()

    def slow(conn, request):
        gate.wait(30)
        conn.send(reply(b"late"))

    origin, other = make.origin(), make.origin(by_path({"/slow": slow}))
    config = plain(forward_all(origin, "/a/*"), forward_all(other, "/b/*", timeout="30s"),
                   server={"hide_hosts_after": "1s", "forget_hosts_after": "1s"})
    config["extra_config"]["holdfast/upstream"] = {"idle_timeout": "60s"}  # nothing else closes them meanwhile
    running = make.gateway(config)
    client, patient = make.client(running), make.client(running)
    patient.send_request("GET", "/b/slow")
    other.wait_requests(1)
    assert (client.get("/a/").status, client.get("/b/").status) == (200, 200)
    config["endpoints"].pop()
    reload(running, config)
    eventually(lambda: client.get("/b/").status == 404, what="the end of the route")
    gate.set()
    assert patient.read_final().body == b"late"
    other.wait_at_most(0)
    assert len(origin.open_connections()) == 1
    assert pools(running)[1]["closes"]["unconfigured"]["ours"] == 2
    eventually(lambda: len(pools(running)) == 1, 20, "the host leaves the pages")
    config["endpoints"].append(forward_all(other, "/b/*"))
    reload(running, config)
    eventually(lambda: client.get("/b/").status == 200, what="the host is back")


def test_a_long_answer_ends_by_its_own_generation(make):
    gate = threading.Event()

    def slow(conn, request):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        gate.wait(30)
        conn.send(b"world")

    origin = make.origin(slow)
    running = make.gateway(plain(forward_all(origin, "/slow/*", timeout="30s")))
    client = make.client(running)
    client.send_request("GET", "/slow/x")
    head = client.read_head()
    assert head.status == 200
    for number in range(3):
        reload(running, plain(fixed(f"/new{number}", "new")))
    assert eventually(lambda: fetch(running.address, "/new2").status == 200)
    eventually(lambda: status_of(running)["generations_alive"] == 2, what="the first generation and the last one")
    time.sleep(0.3)
    assert status_of(running)["generations_alive"] == 2
    gate.set()
    client.read_body(head)
    assert head.body == b"helloworld"
    assert client.get("/new2").status == 200
    eventually(lambda: alone(running), what="the end of the first generation")


def test_more_generations_than_may_be_wait(make):
    """Each keeps its memory for a request that lasts; a signal that comes then is done when one has ended."""
    gate = threading.Event()
    origin = make.origin(lambda conn, _: (gate.wait(50), conn.send(reply(b"late"))))
    running = make.gateway(plain(forward_all(origin, "/slow/*", timeout="50s")))
    clients = []
    for number in range(31):
        clients.append(make.client(running))
        eventually(lambda: fetch(running.address, f"/is{number}").status == 200 or number == 0)
        clients[-1].send_request("GET", "/slow/x")
        origin.wait_requests(number + 1)
        reload(running, plain(forward_all(origin, "/slow/*", timeout="50s"), fixed(f"/is{number + 1}", "x")))
    assert status_of(running)["generations_alive"] == 32
    status, answer = ask(running)
    assert (status, answer["result"]) == (503, "failed") and "too many" in answer["error"]
    running.send_signal(signal.SIGHUP)
    running.wait_output("waits: requests are served by 32 configurations")
    assert status_of(running)["reloads"] == {"ok": 31, "failed": 0, "last": "ok"}
    gate.set()
    assert {client.read_final().body for client in clients} == {b"late"}
    eventually(lambda: status_of(running)["reloads"]["ok"] == 32, what="the reload that had to wait")
    eventually(lambda: alone(running), what="the end of all older generations")


def test_listeners_come_and_go(make):
    first, second = free_port(), free_port()
    listen = [{"listen": f"127.0.0.1:{port}"} for port in (first, second)]
    config = plain(fixed("/", "x"), server={"listeners": listen[:1]})
    running = make.gateway(config)
    kept = make.client(("127.0.0.1", first))
    assert kept.get("/").status == 200
    config["extra_config"]["holdfast/server"]["listeners"] = listen
    reload(running, config)
    eventually(lambda: accepts(second), what="the new listener")
    guest = make.client(("127.0.0.1", second))
    assert guest.get("/").status == 200 and kept.get("/").status == 200
    assert [row["listen"] for row in status_of(running)["listeners"]] == [row["listen"] for row in listen]
    config["extra_config"]["holdfast/server"]["listeners"] = listen[1:]
    reload(running, config)
    eventually(lambda: refuses(first), what="the end of the first listener")
    assert kept.ended()
    assert guest.get("/").status == 200
    eventually(lambda: [row["listen"] for row in status_of(running)["listeners"]] == [listen[1]["listen"]])
    config["extra_config"]["holdfast/server"]["listeners"] = listen
    reload(running, config)
    eventually(lambda: accepts(first), what="the first listener, again")
    assert metrics(running)[f'holdfast_listener_draining{{listener="127.0.0.1:{first}"}}'] == 0, "it takes everybody"
    assert fetch(("127.0.0.1", first), "/").status == 200 and guest.get("/").status == 200


def accepts(port):
    try:
        return fetch(("127.0.0.1", port), "/").status == 200
    except OSError:
        return False


def refuses(port):
    """Nothing is asked: without a drain_window who has just come may be closed before its request is here."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass
    return False


def test_a_listener_whose_address_is_taken_changes_nothing(make):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = plain(fixed("/", "x"))
        running = make.gateway(config)
        config["endpoints"] = [fixed("/new", "x")]
        config["extra_config"]["holdfast/server"]["listeners"].append({"listen": f"127.0.0.1:{port}"})
        write(running, config)
        status, answer = ask(running)
        assert status == 422 and str(port) in answer["problems"][0]["text"]
        assert fetch(running.address, "/").status == 200


def test_a_unix_listener_comes_and_goes(make, tmp_path):
    path = str(tmp_path / "gate.sock")
    config = plain(fixed("/", "x"))
    running = make.gateway(config)
    listeners = config["extra_config"]["holdfast/server"]["listeners"]

    def answers():
        try:
            return fetch(path).status == 200
        except OSError:
            return False

    for _ in range(2):
        listeners.append({"listen": f"unix:{path}"})
        reload(running, config)
        eventually(answers, what="the new listener")
        listeners.pop()
        reload(running, config)
        eventually(lambda: not answers(), what="its end")
    listeners.append({"listen": f"unix:{tmp_path}/none/gate.sock"})
    config["endpoints"] = [fixed("/new", "x")]
    write(running, config)
    status, answer = ask(running)
    assert status == 422 and "none/gate.sock" in answer["problems"][0]["text"] and answer["problems"][0]["line"] > 1
    assert fetch(running.address, "/").status == 200


def test_what_needs_a_restart_says_so(make):
    running = make.gateway(plain(fixed("/", "x")))
    config = plain(fixed("/new", "x"), server={"workers": 1, "http2": {"max_streams": 7}, "max_connections_per_ip": 5})
    config["extra_config"]["holdfast/admin"]["listen"] = "127.0.0.1:1"
    texts = [problem["text"] for problem in reload(running, config)]
    for key in ("holdfast/server.workers", "http2.max_streams", "max_connections_per_ip", "holdfast/admin.listen"):
        assert any(key in text and "restart" in text for text in texts), (key, texts)
    assert eventually(lambda: fetch(running.address, "/new").status == 200), "the rest is done"
    assert status_of(running)["workers"] == 2
    rows = {row["path"]: row for row in json.loads(fetch(running.addresses[-1], "/v1/config").body)["settings"]}
    for path, value in (("holdfast/server.workers", 2), ("holdfast/server.http2.max_streams", 100), ("holdfast/admin.listen", "127.0.0.1:0")):
        row = rows["extra_config." + path]
        assert row["value"] == value and "restart" in row["from"], row


class Load(threading.Thread):
    """Asks until it is told to end, on one connection or on a new one each time; `wrong` has what was no 200."""

    def __init__(self, address, kept):
        super().__init__(daemon=True)
        self.address, self.kept, self.over = address, kept, threading.Event()
        self.count, self.wrong = 0, []
        self.start()

    def run(self):
        try:
            client = Client(self.address)
            while not self.over.is_set():
                status = client.get("/app/x").status
                self.count += 1
                if status != 200:
                    self.wrong.append(status)
                if not self.kept:
                    client.close()
                    client = Client(self.address)
            client.close()
        except Exception as problem:
            self.wrong.append(repr(problem))

    def end(self):
        self.over.set()
        self.join(20)


def test_161_163_reloads_under_load_lose_nothing(make):
    origin = make.origin()
    running = make.gateway(plain(forward_all(origin, "/app/*")))
    load = [Load(running.address, kept) for kept in (True, True, True, False, False)]
    for number in range(20):
        reload(running, plain(forward_all(origin, "/app/*"), *(fixed(f"/f{i}", "x") for i in range(number))))
        time.sleep(0.05)
    for one in load:
        one.end()
    assert [one.wrong for one in load] == [[]] * len(load)
    assert all(one.count > 0 for one in load)
    eventually(lambda: alone(running), what="the end of all older generations")
    assert fetch(running.address, "/f18").status == 200


def test_a_storm_of_signals(make):
    running = make.gateway(plain(fixed("/app/x", "x")))
    load = [Load(running.address, kept) for kept in (True, False)]
    for number in range(200):
        if number % 20 == 0:
            write(running, plain(fixed("/app/x", "x"), fixed(f"/n{number}", "x")))
        running.send_signal(signal.SIGHUP)
        time.sleep(0.005)
    write(running, plain(fixed("/app/x", "x"), fixed("/last", "x")))
    running.send_signal(signal.SIGHUP)
    eventually(lambda: fetch(running.address, "/last").status == 200, what="the last configuration wins")
    for one in load:
        one.end()
    assert [one.wrong for one in load] == [[], []]
    eventually(lambda: alone(running), what="the end of all older generations")


def test_limits_of_kept_connections_change(make):
    running = make.gateway(plain(fixed("/", "x")))
    client = make.client(running)
    assert client.get("/").status == 200
    reload(running, plain(fixed("/", "x"), server={"max_requests_per_connection": 1}))
    last = eventually(lambda: (answer := client.get("/")).says_close and answer, what="a last answer")
    assert last.status == 200 and client.ended()


def test_tls_clients_stay_and_come_back(make, authority, certificate):
    """Tickets of before are good behind the change; another certificate is shown to who comes then."""
    config = secured(make.origin(), tls_block(certificate), server={"workers": 2})
    running = make.gateway(config)
    context = context_of(authority, "TLS13")
    kept = TlsClient(running.address, context)
    assert kept.get().status == 200
    session, first = kept.sock.session, kept.sock.getpeercert()["serialNumber"]
    reload(running, {**config, "timeout": "7s"})
    eventually(lambda: alone(running), what="the end of the first generation")
    with TlsClient(running.address, context, session=session) as client:
        assert client.get().status == 200 and client.sock.session_reused
    other = authority.issue("other")
    reload(running, {**config, "tls": tls_block(other)})
    eventually(lambda: alone(running), what="the end of the second generation")

    def serial():
        with TlsClient(running.address, context) as client:
            assert client.get().status == 200
            return client.sock.getpeercert()["serialNumber"]

    eventually(lambda: serial() != first, what="the other certificate")
    write(running, {**config, "tls": tls_block(certificate, keys=[{"public_key": "/none", "private_key": "/none"}])})
    assert ask(running)[0] == 422
    assert kept.get().status == 200
    kept.close()


def test_counters_of_tls_go_on(make, authority, tmp_path):
    live = put(authority.issue("first"), tmp_path)
    config = secured(make.origin(), tls_block(live), {"reload_interval": "50ms"})
    running = make.gateway(config)

    def counters():
        numbers = metrics(running)
        return [numbers['holdfast_tls_reloads_total{what="certificates",outcome="ok"}'],
                numbers["holdfast_tls_ticket_key_changes_total"], numbers['holdfast_tls_handshakes_total{side="client",resumed="false"}']]

    with TlsClient(running.address, context_of(authority)) as client:
        assert client.get().status == 200
    put(authority.issue("second"), tmp_path)
    eventually(lambda: counters()[0] >= 1, what="files that were read again")
    before = counters()
    reload(running, {**config, "timeout": "7s"})
    assert all(now >= then for now, then in zip(counters(), before)) and counters()[1] == before[1], "the keys go on"
    reload(running, {name: value for name, value in config.items() if name != "tls"})
    config["extra_config"]["holdfast/tls"]["session_cache_size"] = 7
    reload(running, config)
    assert all(now >= then for now, then in zip(counters(), before)) and counters()[1] == before[1] + 1, "other keys"


def test_tls_comes_and_goes_at_a_listener(make, authority, certificate):
    config = secured(make.origin(), tls_block(certificate))
    running = make.gateway(config)
    context = context_of(authority)
    kept = TlsClient(running.address, context)
    assert kept.get().status == 200
    reload(running, {name: value for name, value in config.items() if name != "tls"})
    eventually(lambda: plainly(running), what="a listener in the clear")
    assert kept.get().status == 200, "who is inside stays secured"
    kept.close()
    reload(running, config)
    eventually(lambda: not plainly(running), what="a listener with TLS")
    with TlsClient(running.address, context) as client:
        assert client.get().status == 200


def plainly(running):
    try:
        return fetch(running.address, "/").status == 200
    except AssertionError:
        return False
