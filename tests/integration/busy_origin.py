"""busy_origin.py: a TLS origin in a process of its own that knows how busy it was: one thread, so that what it counts is not what the
test's threads made of it.

    with BusyOrigin(certificate, seconds=0.05) as origin:
        ...
    origin.peak  # requests at once, the most ever

SPDX-License-Identifier: Apache-2.0
"""
import asyncio
import ssl
import subprocess
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"


class BusyOrigin:
    def __init__(self, certificate, seconds):
        self.child = subprocess.Popen([sys.executable, __file__, str(certificate.certificate), str(certificate.key), str(seconds)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = f"https://127.0.0.1:{int(self.child.stdout.readline())}"
        self.peak = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.peak is None:
            self.stop()

    def stop(self):
        said, _ = self.child.communicate(timeout=20)
        self.peak = int(said)


class Served:
    def __init__(self, seconds):
        self.seconds, self.now, self.peak = seconds, 0, 0

    async def serve(self, reader, writer):
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.now += 1
                self.peak = max(self.peak, self.now)
                await asyncio.sleep(self.seconds)
                self.now -= 1
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            writer.close()


async def main(certificate, key, seconds):
    context, served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), Served(float(seconds))
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print(served.peak, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
