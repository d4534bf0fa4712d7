"""h1_judge.py: what was seen against what the case expects: PASS, SOFT or FAIL, with reasons.

SOFT is safe but not the form asked for (another error status, a silent close, a connection left open). A FAIL has a kind:
`unsafe` (the backend or a client can be misled, a message is lost or doubled), `lenient` (a bad message was taken and
passed on in good form), `overstrict` (a good message was refused), `policy` (our own stricter rule was not kept).
SPDX-License-Identifier: Apache-2.0
"""
import re
from dataclasses import dataclass, field


@dataclass
class Verdict:
    word: str = "PASS"
    kind: str = ""
    reasons: list = field(default_factory=list)

    def __str__(self):
        return " ".join(filter(None, [self.word, self.kind, "; ".join(self.reasons)]))


class Findings:
    """Collects what is wrong; the worst kind names the failure."""

    def __init__(self):
        self.wrong, self.notes = [], []

    def unsafe(self, text):
        self.wrong.append(("unsafe", text))

    def lenient(self, text):
        self.wrong.append(("lenient", text))

    def overstrict(self, text):
        self.wrong.append(("overstrict", text))

    def soft(self, text):
        self.notes.append(text)

    def verdict(self, case):
        reasons = [text for _, text in self.wrong] + self.notes
        if not self.wrong:
            return Verdict("SOFT" if self.notes else "PASS", "", reasons)
        kinds = [kind for kind, _ in self.wrong]
        kind = "unsafe" if "unsafe" in kinds else kinds[0]
        kind = "policy" if case["level"] == "policy" else case["expected"].get("fail_kind", kind)
        return Verdict("FAIL", kind, reasons)


def judge(case, seen):
    findings = Findings()
    (judge_request if case["direction"] == "request" else judge_response)(case["expected"], seen, findings)
    return findings.verdict(case)


# Request cases: what reached the backend counts first, then what the client was told.


def judge_request(expected, seen, findings):
    wanted = expected.get("backend", {})
    finals = [response.status for response in seen.finals]
    first = finals[0] if finals else 0
    forwarded = len(seen.recording.requests)
    judge_forwarded_bytes(wanted, seen.recording, findings)
    dropped = wanted.get("drop_ok") and not findings.wrong and forwarded and 200 <= first < 300
    if dropped:
        findings.soft("bad line dropped, rest served")
    judge_counts(wanted, forwarded, expected["action"], dropped, findings)
    judge_content(wanted, seen.recording, findings)
    if not dropped:
        judge_answer(expected, seen, finals, findings)
        if expected["close"] is True and not seen.closed:
            findings.soft("connection left open")


def judge_forwarded_bytes(wanted, recording, findings):
    if recording.errors:
        findings.unsafe("backend got bytes a strict parser refuses: " + recording.errors[0])
    for pattern in wanted.get("forbid", []) + wanted.get("forbid_head", []):
        if any(re.search(pattern, head) for head in recording.heads()):
            findings.unsafe("forwarded what matches " + pattern)


def judge_counts(wanted, forwarded, action, dropped, findings):
    if "max_requests" in wanted and forwarded > wanted["max_requests"]:
        findings.unsafe(f"backend saw {forwarded} requests")
    if "complete" in wanted and forwarded > wanted["complete"]:
        findings.lenient("backend saw a complete request")
    if "requests" in wanted and forwarded != wanted["requests"] and not dropped:
        text = f"backend saw {forwarded} requests, not {wanted['requests']}"
        if action == "reject":
            findings.lenient(text)
        elif forwarded > wanted["requests"]:
            findings.unsafe(text)
        else:
            findings.overstrict(text)


def judge_content(wanted, recording, findings):
    heads = recording.heads()
    for pattern in wanted.get("require", []) + (wanted.get("require_if_any", []) if heads else []):
        if not any(re.search(pattern, head) for head in heads):
            findings.lenient("backend lacks " + pattern)
    for key in ("body", "body_if_any"):
        if key in wanted and recording.requests and recording.requests[0].body != wanted[key]:
            findings.unsafe("body at the backend differs")


def judge_answer(expected, seen, finals, findings):
    action, allowed = expected["action"], expected["status"]
    first = finals[0] if finals else 0
    if action in ("accept", "normalise"):
        judge_accepted(expected, finals, first, findings)
    elif action == "accept_then_reject":
        judge_second(allowed, finals, seen.closed, findings)
    elif action == "reject" and first not in allowed:
        judge_refusal(first, seen, findings)
    elif action == "either" and first not in allowed and not (100 in allowed and seen.statuses):
        findings.soft(f"status {first or 'none'}")


def judge_accepted(expected, finals, first, findings):
    allowed = expected["status"]
    pipeline = (expected["action"] == "accept" and len(allowed) > 1 and 100 not in allowed
                and expected.get("backend", {}).get("requests", 1) > 1)
    if pipeline and finals != allowed:
        findings.overstrict(f"answers {finals[:5]}")
    if not pipeline and first not in allowed:
        findings.overstrict(f"answer {first or 'none'}")


def judge_second(allowed, finals, closed, findings):
    if not finals or finals[0] != allowed[0]:
        findings.unsafe(f"first answer {finals[0] if finals else 'lost'}")
    elif len(finals) < 2:
        findings.soft("second: no error answer" + (", closed" if closed else ""))
    elif not 400 <= finals[1] <= 505:
        findings.lenient(f"second answer {finals[1]}")


def judge_refusal(first, seen, findings):
    if first == 0:
        findings.soft("no answer" + (", closed" if seen.closed else ", left open"))
    elif not 200 <= first < 400 and first != -1:
        findings.soft(f"status {first}")
    elif not seen.recording.requests:
        findings.soft(f"answer {first}, backend saw no complete request")
    else:
        findings.lenient(f"answer {first}")


# Response cases: the probes count first (a poisoned pool), then what the client got.


def judge_response(expected, seen, findings):
    wanted = expected.get("client", {})
    final = seen.finals[0] if seen.finals else None
    status = final.status if final else (101 if 101 in seen.statuses else 0)
    if seen.bad_probe:
        findings.unsafe(seen.bad_probe)
    judge_relayed_bytes(wanted, seen, findings)
    judge_relayed_body(wanted, expected["status"], final, findings)
    if wanted.get("sent_once") and seen.recording.case_hits != 1:
        findings.unsafe(f"backend got the request {seen.recording.case_hits} times")
    judge_relayed_status(expected, seen, final, status, findings)


def judge_relayed_bytes(wanted, seen, findings):
    everything = "".join(response.head + "\r\n" + response.body for response in seen.responses) + seen.rest
    for pattern in wanted.get("forbid", []):
        if re.search(pattern, everything):
            report = findings.unsafe if re.search("EVIL|Evil", pattern) else findings.lenient
            report("client got what matches " + pattern)
    for pattern in wanted.get("forbid_head", []):
        if any(re.search(pattern, response.head) for response in seen.responses):
            findings.lenient("client got in a head what matches " + pattern)
    for pattern in wanted.get("require", []):
        if not re.search(pattern, everything):
            findings.unsafe("client lacks " + pattern[:40])


def judge_relayed_body(wanted, allowed, final, findings):
    if "body" in wanted and final and final.status in allowed and final.body != wanted["body"]:
        findings.unsafe("body differs")
    if "body_if_any" in wanted and final and final.status == 200 and final.body != wanted["body_if_any"]:
        findings.unsafe("body differs")


def judge_relayed_status(expected, seen, final, status, findings):
    action, allowed = expected["action"], expected["status"]
    if action == "truncate":
        judge_cut(final, status, findings)
    elif action in ("accept", "normalise"):
        if status not in allowed:
            findings.overstrict(f"status {status or 'none'}")
    elif action == "reject" and status not in allowed:
        if status == 0:
            findings.soft("closed with no answer")
        elif status >= 500:
            findings.soft(f"status {status}")
        else:
            findings.lenient(f"passed on as {status}")
    elif action == "either" and status not in allowed and not set(seen.statuses) & set(allowed):
        findings.soft(f"status {status or 'none'}")


def judge_cut(final, status, findings):
    if not final or status >= 400:
        return
    if final.until_close:
        findings.unsafe("client sees a close delimited response, the cut cannot be told")
    elif final.complete:
        findings.unsafe("client sees a complete response")
