"""h2_servers.py: origins that speak HTTP/2: node's, which does by path what a test asks for, nginx and nghttpd.

Cleartext by prior knowledge, or with a certificate by ALPN. SPDX-License-Identifier: Apache-2.0
"""
import json
import subprocess
import urllib.parse

from servers import Server, find_tool
from waiting import eventually

NODE = """
const http2 = require('http2'), fs = require('fs');
const [port, log, streams, cert, key, http1] = process.argv.slice(2);
const out = fs.openSync(log, 'a');
const settings = streams === 'none' || streams === 'later' ? {maxConcurrentStreams: 0} : streams > 0 ? {maxConcurrentStreams: Number(streams)} : {};
let sessions = 0, seen = {}, gate = [];
const note = what => fs.writeSync(out, JSON.stringify(what) + '\\n');
function once(id) { seen[id] = (seen[id] || 0) + 1; return seen[id] === 1; }
function answer(stream, headers) {
  const url = new URL(headers[':path'], 'http://x'), q = url.searchParams, session = stream.session;
  const say = (body, more) => { if (!stream.destroyed) { stream.respond({':status': 200, ...more}); stream.end(body); } };
  stream.on('error', () => {});
  stream.on('aborted', () => note({aborted: headers[':path'], code: stream.rstCode}));
  note({session: session.number, stream: stream.id, path: headers[':path'], method: headers[':method'],
        authority: headers[':authority'], headers, open: session.open = (session.open || 0) + 1});
  stream.on('close', () => session.open--);
  switch (url.pathname) {
  case '/hold': setTimeout(() => say('held'), Number(q.get('ms') || 200)); break;
  case '/gate':
    gate.push(() => say('through'));
    if (gate.length >= Number(q.get('count'))) { const all = gate; gate = []; all.forEach(f => f()); }
    break;
  case '/old': stream.close(http2.constants.NGHTTP2_HTTP_1_1_REQUIRED); break;
  case '/old-by-goaway': session.goaway(http2.constants.NGHTTP2_HTTP_1_1_REQUIRED, stream.id - 2); break;
  case '/broken': stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR); break;
  case '/refuse': stream.close(http2.constants.NGHTTP2_REFUSED_STREAM); break;
  case '/refuse-once':
    if (once(q.get('id'))) stream.close(http2.constants.NGHTTP2_REFUSED_STREAM); else collect(stream, say);
    break;
  case '/pause': // no streams for `ms`
    session.settings({maxConcurrentStreams: 0}, () => {
      say('paused');
      setTimeout(() => session.destroyed || session.settings({maxConcurrentStreams: 100}), Number(q.get('ms')));
    });
    break;
  case '/goaway': session.goaway(0, stream.id); say('last'); break;
  case '/goaway-below':
    if (once(q.get('id'))) { session.goaway(0, stream.id - 2); } else collect(stream, say);
    break;
  case '/misdirected':
    if (once(q.get('id'))) { stream.respond({':status': 421}); stream.end('not here'); } else collect(stream, say);
    break;
  case '/misdirected-always': stream.respond({':status': 421}); stream.end('never here'); break;
  case '/die': if (once(q.get('id'))) session.destroy(); else say('alive'); break;
  case '/silent': break;
  case '/trailers':
    stream.respond({':status': 200}, {waitForTrailers: true});
    stream.on('wantTrailers', () => stream.sendTrailers({'x-sum': '1'}));
    stream.end('with trailers');
    break;
  case '/bytes': say(Buffer.alloc(Number(q.get('n')), 'x')); break;
  case '/fields': say('fields', {'x-one': '1', 'set-cookie': ['a=1', 'b=2']}); break;
  default: collect(stream, say);
  }
}
function collect(stream, say) {
  const parts = [];
  stream.on('data', d => parts.push(d));
  stream.on('end', () => say(parts.length ? Buffer.concat(parts) : 'OK'));
}
const server = http1 ? require('https').createServer({cert: fs.readFileSync(cert), key: fs.readFileSync(key)}) :
               cert ? http2.createSecureServer({settings, allowHTTP1: cert !== 'none', cert: fs.readFileSync(cert),
                                                key: fs.readFileSync(key)})
                    : http2.createServer({settings});
server.on('session', session => {
  session.number = ++sessions;
  note({begun: session.number});
  if (streams === 'later') setTimeout(() => session.destroyed || session.settings({maxConcurrentStreams: 4}), 700);
  session.on('error', () => {});
  session.on('close', () => note({ended: session.number}));
  session.on('ping', () => note({ping: session.number}));
});
server.on('stream', answer);
if (cert) server.on('request', (req, res) => {
  if (req.httpVersion === '2.0') return;
  note({path: req.url, http1: true, headers: req.headers});
  res.end('OK');
});
server.on('sessionError', () => {});
server.listen(Number(port), '127.0.0.1');
"""

NGINX = """
daemon off; master_process off; worker_processes 1; pid {work}/pid; error_log {work}/error.log;
events {{ worker_connections 1024; }}
http {{
  log_format ports 'port=$remote_port for=$proxy_protocol_port'; access_log {work}/access.log ports;
  client_body_temp_path {work}/body; proxy_temp_path {work}/proxy; fastcgi_temp_path {work}/fastcgi;
  uwsgi_temp_path {work}/uwsgi; scgi_temp_path {work}/scgi;
  keepalive_requests 1000000;
  server {{ listen 127.0.0.1:{port} {listen}; {keys} root {root};
    location = /short {{ return 200 "short answer\\n"; }} }}
}}
"""


class H2Server(Server):
    """`certificate`: spoken over TLS."""

    def __init__(self, work, root=None, certificate=None, streams=0):
        self.certificate, self.streams = certificate, streams
        super().__init__(work, root or work)

    @property
    def url(self):
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"


class NodeH2(H2Server):
    missing = None if find_tool("node") else "node is not installed"
    http1 = False

    def command(self):
        (self.work / "server.js").write_text(NODE)
        keys = [self.certificate.certificate, self.certificate.key] if self.certificate else []
        return [find_tool("node"), str(self.work / "server.js"), str(self.port), str(self.log), str(self.streams), *keys,
                *(["http1"] if self.http1 else [])]

    def restart(self, http1):
        """On the same port; `http1`: it offers nothing else, with a certificate."""
        self.__exit__()
        self.http1 = http1
        self.child = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL)
        eventually(self.listens, 15, "the origin is back")

    def notes(self):
        """What it has seen, in order."""
        text = self.log.read_text() if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def requests(self, path=None):
        return [note for note in self.notes()
                if "path" in note and (path is None or urllib.parse.urlsplit(note["path"]).path == path)]

    def sessions(self):
        """Those that carried a request. (The probe of the start speaks no HTTP/2.)"""
        return sorted({note["session"] for note in self.requests() if "session" in note})

    def wait_requests(self, count, path=None):
        return eventually(lambda: len(self.requests(path)) >= count and self.requests(path), what=f"{count} requests")


class NginxH2(H2Server):
    missing = None if find_tool("nginx") else "nginx is not installed"
    also = ""  # words of `listen`

    def command(self):
        keys = (f"ssl_certificate {self.certificate.certificate}; ssl_certificate_key {self.certificate.key};"
                if self.certificate else "")
        listen = ("ssl http2" if self.certificate else "http2") + self.also
        (self.work / "nginx.conf").write_text(NGINX.format(**self.values(), listen=listen, keys=keys))
        return [find_tool("nginx"), "-p", str(self.work), "-c", str(self.work / "nginx.conf")]


class NginxBehindUs(NginxH2):
    """It expects a PROXY header in front of each connection."""

    also = " proxy_protocol"


class Nghttpd(H2Server):
    missing = None if find_tool("nghttpd") else "nghttpd is not installed"

    def command(self):
        (self.work / "short").write_text("short answer\n")
        keys = [self.certificate.key, self.certificate.certificate] if self.certificate else ["--no-tls"]
        return [find_tool("nghttpd"), "-a", "127.0.0.1", "-d", str(self.work), str(self.port), *keys]
