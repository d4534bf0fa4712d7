"""test_verify.py: `holdfast verify` against servers that keep connections, that do not, and that break their word.

SPDX-License-Identifier: Apache-2.0
"""
import re
import socket
import threading

import pytest
import servers
from certificates import Authority
from gateway import run_to_end
from test_commands import BuiltInOrigin
from tls_origin import TlsOrigin


def verify(url, *options, idle="500ms"):
    """(exit code, rows as lists of words, everything on stdout)"""
    code, out, err = run_to_end(["verify", url, "--idle", idle, *options])
    assert not err, err
    rows = [line.split() for line in out.splitlines() if re.match(r"\d+ +(new|same) ", line)]
    return code, rows, out


def closed_after(out):
    found = re.search(r"(?:closed|reset) by the peer after ([\d.]+) s idle", out)
    return float(found[1]) if found else None


@pytest.fixture
def files(tmp_path):
    root = tmp_path / "root"
    root.mkdir(mode=0o755)
    servers.let_others_read(tmp_path)
    (root / "index.html").write_text("kept\n")
    return root


class TestServers:
    @pytest.mark.skipif(servers.Nginx.missing is not None, reason=str(servers.Nginx.missing))
    def test_nginx_keeps_or_closes_as_it_says(self, tmp_path, files):
        with servers.Nginx(tmp_path / "nginx", files) as server:
            code, rows, out = verify(server.url + "/index.html")
            assert code == 0 and [row[1] for row in rows] == ["new", "same", "same"]
            assert len({row[2] for row in rows}) == 1
            assert server.used_ports()[-3:] == [row[2] for row in rows]
            assert "still open after" in out and "keep-alive works" in out
            code, rows, out = verify(server.url + "/close/index.html")
            assert code == 1 and [row[1] for row in rows] == ["new"] * 3
            assert len({row[2] for row in rows}) == 3
            assert len(re.findall("Connection: close|closed with the answer", out)) == 3
            assert "keep-alive does not work" in out

    def test_python_1_1_keeps(self, tmp_path, files):
        with servers.Python(tmp_path / "server", files) as server:
            code, rows, _ = verify(server.url + "/index.html", "--requests", "5")
            assert code == 0 and [row[1] for row in rows] == ["new", "same", "same", "same", "same"]

    def test_python_1_0_does_not(self, tmp_path, files):
        with servers.Python10(tmp_path / "server", files) as server:
            code, rows, out = verify(server.url + "/index.html")
            assert code == 1 and [row[1] for row in rows] == ["new"] * 3
            assert "HTTP/1.0 without keep-alive" in out


class TestOrigin:
    @pytest.fixture
    def built_in(self, make):
        return lambda *options: BuiltInOrigin(make, *options)

    def test_the_promise_and_the_close_are_told(self, built_in):
        origin = built_in("--close-idle-after", "1s", "--keep-alive-header", "--close-after-requests", "50")
        code, rows, out = verify(origin.url + "/bytes/10", idle="4s")
        assert code == 0 and len(rows) == 3
        assert "timeout=1, max=49" in out and "timeout=1, max=47" in out and "1 s were promised" in out
        assert 0.9 < closed_after(out) < 2 and "earlier" not in out

    def test_who_waits_without_idle_waits_for_the_promise(self, built_in):
        origin = built_in("--close-idle-after", "1s", "--keep-alive-header")
        code, out, _ = run_to_end(["verify", origin.url])
        assert code == 0 and 0.9 < closed_after(out) < 2

    def test_a_broken_promise(self, built_in):
        origin = built_in("--close-idle-after", "5s", "--close-age", "600ms", "--keep-alive-header")
        code, _, out = verify(origin.url, idle="4s")
        assert code == 0 and "5 s were promised: earlier than promised" in out

    @pytest.mark.parametrize("end, word", [("close", "closed"), ("half", "closed"), ("reset", "reset")])
    def test_how_it_ends(self, built_in, end, word):
        origin = built_in("--close-idle-after", "300ms", "--close-by", end)
        code, _, out = verify(origin.url, idle="4s")
        assert code == 0 and f"{word} by the peer after" in out

    def test_closes_that_nobody_announced(self, built_in):
        origin = built_in("--close-after-requests", "1", "--unannounced")
        code, rows, out = verify(origin.url)
        assert code == 1 and [row[1] for row in rows] == ["new"] * 3
        assert "Connection: close" not in out and "keep-alive does not work" in out

    def test_two_requests_a_connection_are_reuse(self, built_in):
        origin = built_in("--close-after-requests", "2")
        code, rows, out = verify(origin.url, "-n", "4")
        assert code == 0 and [row[1] for row in rows] == ["new", "same", "new", "same"]
        assert "4 answers over 2 connections" in out

    def test_bytes_that_nobody_asked_for(self, built_in):
        code, rows, _ = verify(built_in("--stray-bytes").url)
        assert code == 1 and [row[1] for row in rows] == ["new"] * 3

    def test_an_answer_that_fails_on_a_kept_connection(self, built_in):
        origin = built_in("--hang-up-rate", "from:2")
        code, rows, out = verify(origin.url)
        assert code == 2 and "no answer" in out and rows[1][1] == "same" and rows[2][1] == "new"


class TestCannotTell:
    def test_nobody_listens(self):
        code, out, err = run_to_end(["verify", f"http://127.0.0.1:{servers.free_port()}/"])
        assert code == 2 and not out and "refused" in err

    def test_no_such_name(self):
        code, out, err = run_to_end(["verify", "http://no-such-host.invalid/"])
        assert code == 2 and not out and err.startswith("ERROR")

    def test_what_answers_is_not_http(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def serve():
                peer, _ = listener.accept()
                with peer:
                    peer.recv(4096)
                    peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

            threading.Thread(target=serve, daemon=True).start()
            code, out, err = run_to_end(["verify", "127.0.0.1:{}".format(listener.getsockname()[1])])
        assert code == 2 and not out and "ERROR" in err

    def test_another_scheme(self):
        code, _, err = run_to_end(["verify", "ftp://127.0.0.1/"])
        assert code == 2 and "http" in err


class TestTls:
    @pytest.fixture
    def authority(self, tmp_path):
        return Authority(tmp_path)

    @pytest.fixture
    def secured(self, authority):
        with TlsOrigin(authority.issue("origin")) as origin:
            yield origin

    def test_a_trusted_server_that_keeps(self, monkeypatch, authority, secured):
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
        code, rows, out = verify(secured.url + "/x")
        assert code == 0 and [row[1] for row in rows] == ["new", "same", "same"], out
        assert "still open after" in out and len(secured.connections) == 1

    def test_the_name_is_sent_and_must_be_in_the_certificate(self, monkeypatch, authority, secured):
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
        assert verify(f"https://localhost:{secured.address[1]}/")[0] == 0
        assert secured.names[-1] == "localhost"
        with TlsOrigin(authority.issue("other", names="DNS:other.example")) as other:
            code, out, err = run_to_end(["verify", other.url])
        assert code == 2 and not out and "certificate verify failed" in err

    def test_whom_nobody_vouches_for(self, secured):
        code, out, err = run_to_end(["verify", secured.url])
        assert code == 2 and not out and "certificate verify failed" in err
        code, rows, _ = verify(secured.url, "--insecure")
        assert code == 0 and [row[1] for row in rows] == ["new", "same", "same"]

    def test_what_listens_does_not_speak_tls(self, make):
        port = make.origin().address[1]
        code, out, err = run_to_end(["verify", f"https://127.0.0.1:{port}/"])
        assert code == 2 and not out and err.startswith("ERROR")
