"""The bounded queue: what happens while a model is busy, and to clients that do not wait for it."""
import json
import sys
import time
import unittest

sys.dont_write_bytecode = True
import harness  # noqa: E402
from harness import SLOW, Background, slow_body  # noqa: E402

QUEUE = 2


class Queue(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server(harness.model("slow"), "--threads", "1", "--queue-size", str(QUEUE))
        cls.n = harness.slow_size(cls.server, 0.5)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def timed(self, n):
        start = time.monotonic()
        return self.server.post(SLOW, slow_body(n)), time.monotonic() - start

    def wait_for_room(self):
        """A place in the queue is free once the request before it was taken out: a moment after an answer was sent."""
        harness.wait_until(lambda: self.server.post(SLOW, slow_body(1)).code == 200, "room in the queue")

    def test_a_full_queue_answers_at_once(self):
        calls = [Background(self.timed, self.n) for _ in range(4 + QUEUE)]
        start = time.monotonic()
        self.assertEqual(self.server.get("/v2/health/ready").code, 200)
        self.assertLess(time.monotonic() - start, 0.4, "an HTTP thread waited for the model")
        results = [call.result() for call in calls]
        served = [taken for answer, taken in results if answer.code == 200]
        refused = [(answer, taken) for answer, taken in results if answer.code == 503]
        self.assertEqual(len(served) + len(refused), len(calls))
        self.assertGreaterEqual(len(served), QUEUE)
        self.assertGreaterEqual(len(refused), 1)
        for answer, taken in refused:
            self.assertLess(taken, max(served), "a full queue is no reason to wait")
            self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
            for part in ("'slow'", "queue", str(QUEUE)):
                self.assertIn(part, answer.json["error"])
        self.wait_for_room()

    def test_nothing_is_computed_for_clients_that_left(self):
        first = Background(self.server.post, SLOW, slow_body(int(self.n * 1.5)))
        time.sleep(0.1)
        body = json.dumps(slow_body(self.n * 5))
        for _ in range(QUEUE):
            gone = self.server.raw()
            gone.send(f"POST {SLOW} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}")
            time.sleep(0.05)
            gone.close()
        self.assertEqual(first.result().code, 200)
        start = time.monotonic()
        self.wait_for_room()
        self.assertLess(time.monotonic() - start, 20, "each of those that left would have taken a minute")

    def test_a_run_ends_when_its_client_leaves(self):
        gone = self.server.raw()
        body = json.dumps(slow_body(self.n * 5))
        gone.send(f"POST {SLOW} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}")
        time.sleep(0.2)
        gone.close()
        answer, taken = self.timed(1)
        self.assertEqual(answer.code, 200)
        self.assertLess(taken, 30, "it would have taken a minute")

    def test_refused_requests_give_their_place_back(self):
        self.wait_for_room()
        for _ in range(5 * QUEUE):
            self.assertEqual(self.server.post(SLOW, {"inputs": []}).code, 400)
        self.assertEqual(self.server.post(SLOW, slow_body(1)).code, 200)


if __name__ == "__main__":
    unittest.main()
