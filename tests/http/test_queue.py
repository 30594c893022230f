"""The bounded queue: what happens while a model is busy, and to clients that do not wait for it."""
import sys
import time
import unittest

sys.dont_write_bytecode = True
import harness  # noqa: E402
from harness import SLOW, Background, slow_body  # noqa: E402

QUEUE = 2


class Queue(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server(harness.model("slow"), "--threads", "1", "--queue-size", str(QUEUE))
        self.n = harness.slow_size(self.server, 1)

    def tearDown(self):
        self.server.stop()

    def start(self, n):
        """A request on its way, far enough to be running or queued."""
        call = Background(self.server.post, SLOW, slow_body(n))
        time.sleep(0.2)
        return call

    def test_a_full_queue_answers_at_once(self):
        calls = [self.start(int(self.n * 1.3)) for _ in range(1 + QUEUE)]
        start = time.monotonic()
        client = self.server.client()
        answer = client.post(SLOW, slow_body(1))
        self.assertEqual(client.get("/v2/health/ready").code, 200)
        self.assertLess(time.monotonic() - start, 0.8, "an HTTP thread waited for the model")
        self.assertEqual(answer.code, 503, answer.body)
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        for part in ("'slow'", "queue", str(QUEUE)):
            self.assertIn(part, answer.json["error"])
        for call in calls:
            self.assertEqual(call.result().code, 200)
        self.assertEqual(client.post(SLOW, slow_body(1)).code, 200, "on the same connection, once there is room")
        client.close()

    def test_nothing_is_computed_for_clients_that_left(self):
        first = self.start(self.n)
        body = '{"inputs": [{"name": "n", "shape": [], "datatype": "INT64", "data": [%d]}]}' % (self.n * 4)
        for _ in range(QUEUE):
            gone = self.server.raw()
            gone.send(f"POST {SLOW} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}")
            time.sleep(0.1)
            gone.close()
        self.assertEqual(first.result().code, 200)
        start = time.monotonic()
        self.assertEqual(self.server.post(SLOW, slow_body(1)).code, 200)
        self.assertLess(time.monotonic() - start, 20, "each of those that left would have taken a minute")

    def test_refused_requests_give_their_place_back(self):
        for _ in range(5 * QUEUE):
            self.assertEqual(self.server.post(SLOW, {"inputs": []}).code, 400)
        self.assertEqual(self.server.post(SLOW, slow_body(1)).code, 200)


if __name__ == "__main__":
    unittest.main()
