"""test_exchange_corners.py: what an exchange does when two things happen at once: early answers, limits, clients that leave.

SPDX-License-Identifier: Apache-2.0
"""
import time

import pytest
from configs import backend, endpoint, service


@pytest.mark.parametrize("then", ["close", "reset"])
def test_an_error_message_is_not_mixed_with_half_an_answer(make, then):
    def half(conn, _):
        conn.body()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b'{"a": 1, "b": "')
        time.sleep(0.1)
        getattr(conn, then)()

    origin = make.origin(half)
    running = make.gateway(service([endpoint("/json", backend(origin, "/x"))], extra={"router": {"return_error_msg": True}}))
    client = make.client(running)
    for _ in range(2):
        response = client.get("/json")
        assert response.status == 500
        assert b'"a"' not in response.body and response.body
