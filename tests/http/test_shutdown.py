"""SIGTERM: first not ready, then no new connections, then answers to all that was accepted, then exit code 0."""
import signal
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
import harness  # noqa: E402
from harness import SLOW, Background, Server, slow_body  # noqa: E402

INFER = "/v2/models/digits/infer"


class Shutdown(unittest.TestCase):
    def test_under_load_every_request_is_answered(self):
        server = Server(harness.DIGITS)
        answered = [0] * 8
        stop_sending = threading.Event()

        def keep_asking(index):
            client = server.client()
            body = harness.digit_request(index)
            while not stop_sending.is_set():
                answer = client.post(INFER, body)
                assert answer.code == 200, answer.body
                answered[index] += 1
            client.close()

        def probe():
            while server.get("/v2/health/ready").code == 200:
                time.sleep(0.02)
            assert server.get("/v2/health/live").code == 200
            assert server.get("/v2/models/digits/ready").code == 503
            stop_sending.set()  # what a balancer does

        callers = [Background(keep_asking, i) for i in range(8)] + [Background(probe)]
        harness.wait_until(lambda: min(answered) > 3, "load")
        server.signal()
        for caller in callers:
            caller.result()
        server.wait()

    def test_answers_ask_to_close_the_connection(self):
        server = Server(harness.DIGITS)
        client = server.client()
        self.assertNotEqual(client.get("/v2").headers["Connection"], "close")
        server.signal()
        harness.wait_until(lambda: server.get("/v2/health/ready").code == 503, "not ready")
        answer = client.get("/v2")
        self.assertEqual(answer.headers["Connection"].lower(), "close")
        server.wait()

    def test_running_and_queued_requests_are_finished(self):
        server = Server(harness.model("slow"), "--threads", "1")
        n = harness.slow_size(server, 0.5)
        calls = []
        for _ in range(3):
            calls.append(Background(server.post, SLOW, slow_body(n)))
            time.sleep(0.1)
        server.signal()
        for call in calls:
            self.assertEqual(call.result().code, 200)
        server.wait()

    def test_no_new_connection_is_accepted_while_the_rest_is_finished(self):
        server = Server(harness.model("slow"), "--threads", "1")
        call = Background(server.post, SLOW, slow_body(harness.slow_size(server, 2)))
        time.sleep(0.3)
        server.signal(signal.SIGINT)

        def is_refused():
            try:
                server.raw().close()
            except ConnectionRefusedError:
                return True
            except ConnectionResetError:
                pass  # it waited to be accepted
            return False

        harness.wait_until(is_refused, "connections are refused")
        self.assertTrue(call.is_alive(), "only the end of the server refused them")
        self.assertEqual(call.result().code, 200)
        server.wait()

    def start_endless(self, *arguments):
        """A server with one request running and one waiting that take far too long."""
        server = Server(harness.model("slow"), "--threads", "1", *arguments)
        n = harness.slow_size(server, 1)
        calls = []
        for _ in range(2):
            calls.append(Background(server.post, SLOW, slow_body(n * 3)))
            time.sleep(0.2)
        return server, calls

    def check_cancelled(self, server, calls):
        for call in calls:
            answer = call.result()
            self.assertEqual(answer.code, 503, answer.body)
            self.assertIn("shutting down", answer.json["error"])
        self.assertIn("2 requests are cancelled", server.wait())

    def test_the_drain_timeout_cancels(self):
        server, calls = self.start_endless("--drain-timeout", "0.2")
        server.signal()
        self.check_cancelled(server, calls)

    def test_a_second_interrupt_cancels(self):
        server, calls = self.start_endless()
        server.signal(signal.SIGINT)
        time.sleep(0.5)
        server.signal(signal.SIGINT)
        self.check_cancelled(server, calls)

    def test_an_interrupt_ends_an_idle_server_at_once(self):
        server = Server(harness.DIGITS)
        opened = server.raw()
        start = time.monotonic()
        server.signal(signal.SIGINT)
        server.wait()
        self.assertLess(time.monotonic() - start, 0.9)
        self.assertTrue(opened.is_closed_within(5))
        opened.close()


if __name__ == "__main__":
    unittest.main()
