"""other_cases.py: the catalogue of cases for the PROXY protocol, WebSocket, TLS and QUIC, and where each is played.

SPDX-License-Identifier: Apache-2.0
"""
import json
import pathlib

CASES = pathlib.Path(__file__).with_name("other_cases.json")

# Cases without bytes of their own that have a test under another name: file and test below tests/.
ELSEWHERE = {
    "PP-037": "integration/test_proxy_protocol.py test_silence_does_not_last",
    "PP-039": "integration/test_send_proxy_protocol.py test_159_each_client_has_connections_of_its_own",
    "WS-030": "integration/test_websocket.py test_handshakes_that_are_wrong_do_not_reach_the_host",
    "WS-032": "integration/test_websocket.py test_post_does_not_become_a_websocket",
    "WS-034": "integration/test_websocket.py test_a_host_that_grants_wrongly_is_502_and_never_pooled",
    "WS-035": "integration/test_websocket.py test_101_and_the_end_at_once",
    "WS-037": "integration/test_websocket.py test_half_a_close_lets_the_other_direction_go_on",
    "WS-040": "integration/test_websocket_http2.py test_a_client_that_resets_the_stream_ends_the_hosts_connection",
    "TL-002": "integration/test_tls_server.py test_a_version_that_is_too_old_is_refused",
    "TL-009": "integration/test_tls_weaknesses.py test_testssl_finds_nothing_above_low",
    "TL-010": "integration/test_tls_server.py test_150_renegotiation_is_refused",
    "TL-019": "integration/test_tls_resumption.py test_148_a_session_is_no_way_past_a_client_certificate",
    "TL-020": "integration/test_tls_resumption.py test_a_client_comes_back_by_ticket_to_any_worker",
    "TL-022": "integration/test_tls_resumption.py test_early_data_has_a_limit",
    "TL-027": "integration/test_tls_server.py test_a_client_certificate_must_be_one_that_is_trusted",
    "TL-029": "unit/tls/test_tls_handshake.c handshake_with_something_else_than_tls_says_so",
    "TL-030": "integration/test_tls_server.py test_http_without_tls_is_told_so",
    "TL-032": "integration/test_tls_server.py test_a_handshake_that_stalls_ends",
    "TL-034": "integration/test_tls_server.py test_handshakes_do_not_starve_open_connections",
    "TL-039": "integration/test_tls_files.py test_every_handshake_succeeds_while_certificates_change",
    "TL-040": "integration/test_tls_files.py test_a_staple_that_expires_is_left_out",
}
LATER = {
    "WS-039": "there is no reload yet; what a drain does is in test_websocket.py",
    "TL-024": "wants a TLS client that breaks the rules behind the handshake",
    "QH": "there is no HTTP/3 yet",
}


def load(prefix=""):
    """All cases whose name begins so."""
    cases = json.loads(CASES.read_text(encoding="utf-8"))["cases"]
    return [case for case in cases if case["id"].startswith(prefix)]


def to_play(prefix):
    """Those that are neither elsewhere nor for later."""
    return [case for case in load(prefix) if case["id"] not in {**ELSEWHERE, **LATER}]
