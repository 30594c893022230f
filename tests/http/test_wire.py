"""HTTP as bytes: framing, limits, deadlines, and clients that do not follow the rules. The server outlives them all."""
import json
import os
import random
import socket
import sys
import time
import unittest

sys.dont_write_bytecode = True
import harness  # noqa: E402

MAX_BODY = 200_000
DEADLINE = 1  # second; of headers, body and silence
PATH = "/v2/models/types/infer"


def setUpModule():
    global server  # pylint: disable=global-variable-undefined
    deadlines = [f"--{what}-timeout={DEADLINE}" for what in ("header", "body", "idle")]
    server = harness.Server(harness.DIGITS, "--threads", "1", "--max-body", str(MAX_BODY), *deadlines)


def tearDownModule():
    server.stop()


def post(body, path="/v2/models/digits/infer", extra=""):
    return (f"POST {path} HTTP/1.1\r\nHost: x\r\n{extra}Content-Length: {len(body)}\r\n\r\n" + body).encode()


def head(*lines):
    return "\r\n".join(("POST /v2/models/digits/infer HTTP/1.1", "Host: x") + lines) + "\r\n\r\n"


GET = b"GET /v2/models/digits HTTP/1.1\r\nHost: x\r\n\r\n"


class Wire(unittest.TestCase):
    def setUp(self):
        self.raw = server.raw()

    def tearDown(self):
        self.raw.close()
        self.assertEqual(server.get("/v2/health/live").code, 200)

    def digit(self, d):
        return json.dumps(harness.digit_request(d))

    def check_class(self, answer, digit):
        self.assertEqual(answer.code, 200, answer.body)
        scores = answer.json["outputs"][0]["data"]
        self.assertEqual(scores.index(max(scores)), digit)


class Framing(Wire):
    def test_pipelined_requests_are_answered_in_order(self):
        requests = [post(self.digit(1)), GET, post("{}"), post(self.digit(2)), b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n",
                    post(self.digit(3))]
        self.raw.send(b"".join(requests))
        self.check_class(self.raw.answer(), 1)
        self.assertEqual(self.raw.answer().json["name"], "digits")
        self.assertEqual(self.raw.answer().code, 400)
        self.check_class(self.raw.answer(), 2)
        self.assertEqual(self.raw.answer().code, 404)
        self.check_class(self.raw.answer(), 3)

    def test_a_request_may_come_in_any_pieces(self):
        request = post(self.digit(5))
        pieces = [request[:1], request[1:40], request[40:100], request[100:101], request[101:]]
        for piece in pieces:
            self.raw.send(piece)
            time.sleep(0.02)
        self.check_class(self.raw.answer(), 5)

    def test_chunked_body(self):
        body = self.digit(6)
        self.raw.send(head("Transfer-Encoding: chunked"))
        for i in range(0, len(body), 1000):
            piece = body[i:i + 1000]
            self.raw.send(f"{len(piece):x};extension=1\r\n{piece}\r\n")
        self.raw.send("0\r\nTrailer: x\r\n\r\n" + GET.decode())
        self.check_class(self.raw.answer(), 6)
        self.assertEqual(self.raw.answer().code, 200)

    def test_expect_100_continue(self):
        body = self.digit(4)
        self.raw.send(head("Expect: 100-continue", f"Content-Length: {len(body)}"))
        self.assertEqual(self.raw.answer().code, 100)
        self.raw.send(body)
        self.check_class(self.raw.answer(), 4)

    def test_http_1_0_closes(self):
        self.raw.send("GET /v2 HTTP/1.0\r\n\r\n")
        self.assertEqual(self.raw.answer().code, 200)
        self.assertTrue(self.raw.is_closed_within(5))

    def test_connection_close_is_honoured(self):
        self.raw.send("GET /v2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = self.raw.answer()
        self.assertEqual((answer.code, answer.headers["connection"].lower()), (200, "close"))
        self.assertTrue(self.raw.is_closed_within(5))

    def test_contradictory_framing_is_refused(self):
        """Request smuggling: a proxy in front might see another request."""
        for code, lines in ((400, ("Transfer-Encoding: chunked", "Content-Length: 2")),
                            (501, ("Transfer-Encoding: gzip",)), (501, ("Transfer-Encoding: gzip, chunked",)),
                            (400, ("Transfer-Encoding: chunked", "Transfer-Encoding: gzip")),
                            (400, ("Content-Length: 5", "Content-Length: 6")), (400, ("Content-Length : 5",)),
                            (400, ("Content-Length\t: 5",)), (400, ("Transfer-Encoding : chunked", "Content-Length: 5")),
                            (400, ("Transfer-Encoding:", " chunked", "Content-Length: 5")),
                            (400, ("X: y", " Transfer-Encoding: chunked", "Content-Length: 5"))):
            raw = server.raw()
            raw.send(head(*lines) + "0\r\n\r\n")
            answer = raw.answer()
            self.assertEqual((lines, answer.code, answer.headers.get("connection")), (lines, code, "close"))
            self.assertTrue(raw.is_closed_within(5))
            raw.close()

    def test_absurd_lengths_are_refused(self):
        for length in ("-1", "-0", "18446744073709551616", "99999999999999999999999999", "0x10", "1e3", "ten", "5 5", "5,5",
                       "+5", ""):
            raw = server.raw()
            raw.send(head(f"Content-Length: {length}") + "hello")
            answer = raw.answer()
            if answer:  # or the connection was closed at once
                self.assertIn(answer.code, (400, 413), f"Content-Length: {length}")
            raw.close()

    def test_broken_chunks_are_refused(self):
        for chunk in ("x\r\n", "-1\r\n", "ffffffffffffffffff\r\n", "5\r\nhello!!\r\n", "\r\n\r\n", "7fffffffffffffff\r\n"):
            raw = server.raw()
            raw.send(head("Transfer-Encoding: chunked") + chunk)
            raw.send("0\r\n\r\n")
            answer = raw.answer()
            if answer:
                self.assertGreaterEqual(answer.code, 400, chunk)
            raw.close()

    def test_garbage(self):
        noise = random.Random(7)
        opened = []
        for garbage in (b"\r\n\r\n", b"\0\0\0\0\r\n\r\n", b"GET\r\n\r\n", b"GET  HTTP/1.1\r\n\r\n", b"GET /v2\r\n\r\n",
                        b"GET /v2 HTTP/9.9\r\nHost: x\r\n\r\n", b"GET /v2 FTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
                        b"GET /v2 HTTP/1.1\r\nHost\r\n\r\n", b"GET /v2 HTTP/1.1\r\n: x\r\n\r\n",
                        b"GET /v2 HTTP/1.1\nHost: x\n\n", b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
                        b"GET /v2?\xff=%zz&=&&= HTTP/1.1\r\nHost: x\r\n\r\n", b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
                        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n",
                        b"GET http://x/v2 HTTP/1.1\r\nHost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                        b"A" * 100 + b" /v2 HTTP/1.1\r\nHost: x\r\n\r\n",
                        b"GET /v2 HTTP/1.1\r\nHost: x\r\nCookie: " + b"a=b;" * 500 + b"\r\n\r\n",
                        *(noise.randbytes(300) + b"\r\n\r\n" for _ in range(50))):
            opened.append(server.raw())
            opened[-1].send(garbage)
            opened[-1].socket.shutdown(socket.SHUT_WR)
        for raw in opened:
            while raw.fill():
                pass
            raw.close()

    def test_clients_that_leave_early(self):
        request = post(self.digit(1))
        for cut in (1, 20, 60, 100, len(request) // 2, len(request)):
            raw = server.raw()
            raw.send(request[:cut])
            raw.close()


class Limits(Wire):
    def check_too_large(self, answer):
        self.assertEqual(answer.code, 413)
        self.assertIn(str(MAX_BODY), answer.json["error"])
        self.assertTrue(self.raw.is_closed_within(5))

    def test_a_body_at_the_limit_is_read(self):
        self.raw.send(post("{}" + " " * (MAX_BODY - 2)))
        self.assertEqual(self.raw.answer().code, 400)
        self.raw.send(GET)
        self.assertEqual(self.raw.answer().code, 200)

    def test_a_declared_length_above_the_limit_is_answered_at_once(self):
        for length in (MAX_BODY + 1, 10**15, 2**63, 2**64 - 1):
            self.raw.close()
            self.raw = server.raw()
            self.raw.send(head(f"Content-Length: {length}"))
            self.check_too_large(self.raw.answer())

    def test_no_continue_above_the_limit(self):
        self.raw.send(head("Expect: 100-continue", f"Content-Length: {MAX_BODY + 1}"))
        self.check_too_large(self.raw.answer())

    def test_a_chunked_body_above_the_limit_is_answered_at_its_end(self):
        self.raw.send(head("Transfer-Encoding: chunked"))
        for _ in range(5):
            self.raw.send("ffff\r\n" + "x" * 0xFFFF + "\r\n")
        self.raw.send("0\r\n\r\n")
        self.check_too_large(self.raw.answer())

    def test_an_endless_chunked_body_is_cut(self):
        self.raw.send(head("Transfer-Encoding: chunked"))
        sent = 0
        try:
            while sent < 64 << 20:
                self.raw.send("ffff\r\n" + "x" * 0xFFFF + "\r\n")
                sent += 0xFFFF
        except ConnectionError:
            pass
        self.assertLess(sent, 64 << 20)

    def test_headers_above_the_limit_are_refused(self):
        for request in (b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                        b"GET /v2 HTTP/1.1\r\nHost: x\r\nLong: " + b"x" * 200_000 + b"\r\n\r\n",
                        b"GET /v2 HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 40_000 + b"\r\n",
                        b"G" * 200_000 + b" / HTTP/1.1\r\n\r\n"):
            raw = server.raw()
            try:
                raw.send(request)
                answer = raw.answer()
                if answer:
                    self.assertGreaterEqual(answer.code, 400)
            except ConnectionError:
                pass
            raw.close()


class Deadlines(Wire):
    def drip(self, text):
        """One byte every tenth of a second: never silent for long. True when the server had enough of it."""
        end = time.monotonic() + 10 * DEADLINE
        for byte in text:
            try:
                self.raw.send(bytes([byte]))
            except ConnectionError:
                return True
            if self.raw.is_closed_within(0.1):
                return True
            if time.monotonic() > end:
                return False
        return False

    def test_slow_headers(self):
        start = time.monotonic()
        self.assertTrue(self.drip(b"GET /v2 HTTP/1.1\r\nX: " + b"x" * 1000))
        self.assertGreater(time.monotonic() - start, DEADLINE * 0.8)

    def test_slow_headers_of_a_second_request(self):
        self.raw.send(GET)
        self.assertEqual(self.raw.answer().code, 200)
        self.assertTrue(self.drip(b"GET /v2 HTTP/1.1\r\nX: " + b"x" * 1000))

    def test_slow_body(self):
        self.raw.send(head("Content-Length: 1000"))
        start = time.monotonic()
        self.assertTrue(self.drip(b" " * 1000))
        self.assertGreater(time.monotonic() - start, DEADLINE * 0.8)

    def test_silence(self):
        """Before the first byte, between requests, and in the middle of one."""
        opened = [server.raw() for _ in range(4)]
        opened[1].send("GET /v2")
        opened[2].send(head("Content-Length: 1000") + "x")
        opened[3].send(GET)
        for raw in opened:
            self.assertTrue(raw.is_closed_within(10 * DEADLINE))
            raw.close()

    def test_requests_in_time_keep_the_connection(self):
        for _ in range(5):
            self.raw.send(GET)
            self.assertEqual(self.raw.answer().code, 200)
            time.sleep(DEADLINE * 0.5)


class SlowReader(unittest.TestCase):
    def test_an_answer_that_nobody_reads_is_given_up(self):
        with harness.Server(harness.model("types"), "--threads", "1", "--body-timeout", "2") as types:
            n = 1_200_000
            rows = ",".join(["1e9"] * n)  # soon sent, and an answer that no buffer holds
            others = [{"name": o["name"], "datatype": o["datatype"], "shape": [0], "data": []}
                      for o in types.get("/v2/models/types").json["inputs"] if o["name"] != "float"]
            body = (f'{{"inputs": [{json.dumps(others)[1:-1]}, '
                    f'{{"name": "float", "datatype": "FP32", "shape": [{n}], "data": [{rows}]}}]}}')
            raw = types.raw()
            raw.send(post(body, PATH))
            self.assertEqual(types.get("/v2/health/live").code, 200)
            harness.wait_until(lambda: types.connections() == 0, "the connection is given up")
            received = 0
            while raw.fill():
                received += len(raw.buffer)
                raw.buffer = b""
            raw.close()
            self.assertLess(received, 11 * n)


class Idle(unittest.TestCase):
    def check_idle(self, idle):
        before = idle.cpu_seconds()
        time.sleep(1)
        self.assertLessEqual(idle.cpu_seconds() - before, 1.5 / os.sysconf("SC_CLK_TCK"))

    def test_more_connections_than_descriptors_are_left_waiting(self):
        with harness.Server(harness.DIGITS, "--threads", "1", descriptors=64) as small:
            opened = [small.raw() for _ in range(100)]
            time.sleep(0.3)
            self.check_idle(small)
            for raw in opened[:-1]:
                raw.close()
            opened[-1].send(GET)
            self.assertEqual(opened[-1].answer().code, 200)
            opened[-1].close()

    def test_an_idle_server_uses_no_cpu(self):
        with harness.Server(harness.DIGITS) as idle:
            opened = [idle.raw() for _ in range(20)]
            self.assertEqual(idle.post("/v2/models/digits/infer", harness.digit_request(1)).code, 200)
            time.sleep(0.3)
            self.check_idle(idle)
            for raw in opened:
                raw.close()


if __name__ == "__main__":
    unittest.main()
