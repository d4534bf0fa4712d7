"""threads.py: Python's requests or http.client with its own idle behaviour, at the end of what was promised. Arguments: kind,
URL, seconds of the promise, workers, rounds. SPDX-License-Identifier: Apache-2.0"""
import http.client
import json
import math
import sys
import threading
import time
import urllib.parse

KIND, URL = sys.argv[1:3]
PROMISE, WORKERS, ROUNDS = map(int, sys.argv[3:6])
told = {"ok": 0, "late": 0, "errors": []}
lock = threading.Lock()


def asker():
    if KIND == "requests":
        import requests
        session = requests.Session()
        session.trust_env = False
        return lambda: session.post(URL, data="x", timeout=20).status_code
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(URL).netloc, timeout=20)

    def ask():
        connection.request("POST", "/", "x")
        response = connection.getresponse()
        response.read()
        return response.status
    return ask


def work(number):
    ask, last = asker(), math.inf
    for i in range(ROUNDS + 1):
        began = time.monotonic()
        try:
            status = ask()
        except Exception as error:  # whatever a client may say
            status = repr(error)
        with lock:
            told["late"] += time.monotonic() - last > PROMISE + 0.8
            told["ok"] += status == 200
            if status != 200:
                told["errors"].append(status)
        last = began
        if i < ROUNDS:
            time.sleep(PROMISE - 0.1 + 0.3 * ((number * 7 + i * 13) % WORKERS) / WORKERS)


threads = [threading.Thread(target=work, args=(number,)) for number in range(WORKERS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(told))
