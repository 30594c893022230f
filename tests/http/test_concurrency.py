"""Many clients at once: everyone gets the answer to the own question, and memory does not grow."""
import random
import sys
import unittest

sys.dont_write_bytecode = True
import harness  # noqa: E402
from harness import Background  # noqa: E402

INFER = "/v2/models/digits/infer"
PREDICT = "/v1/models/digits:predict"


class Concurrency(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server(harness.DIGITS)

    def tearDown(self):
        self.server.stop()

    def ask(self, client, digit):
        answer = client.post(INFER, dict(harness.digit_request(digit), id=str(digit)))
        assert answer.code == 200, answer.body
        scores = answer.json["outputs"][0]["data"]
        assert (answer.json["id"], scores.index(max(scores))) == (str(digit), digit), answer.body

    def mixed_load(self, seed, requests):
        """Right and wrong requests, on a connection that is now and then replaced or abandoned."""
        chance = random.Random(seed)
        client = self.server.client()
        for _ in range(requests):
            kind = chance.randrange(10)
            if kind < 6:
                self.ask(client, chance.randrange(10))
            elif kind == 6:
                assert client.get("/v2/models/digits").code == 200
            elif kind == 7:
                assert client.post(PREDICT, {"instances": [chance.randrange(10)]}).code == 400
            elif kind == 8:
                client.close()
                client = self.server.client()
            else:
                raw = self.server.raw()
                raw.send(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {chance.randrange(1, 50)}\r\n\r\n{{}}")
                raw.close()
        client.close()

    def run_load(self, clients, requests):
        for call in [Background(self.mixed_load, i, requests) for i in range(clients)]:
            call.result()

    def test_everyone_gets_the_own_answer(self):
        self.run_load(24, 40)

    def test_memory_stays_flat(self):
        self.run_load(8, 60)
        before = self.server.status("VmRSS")
        self.run_load(8, 120)
        if not harness.is_sanitized():  # those keep freed memory on purpose
            self.assertLess(self.server.status("VmRSS") - before, 4096, "kB more after another thousand requests")

    def test_many_open_connections(self):
        opened = [self.server.raw() for _ in range(400)]
        client = self.server.client()
        self.ask(client, 8)
        client.close()
        for raw in opened[::40]:
            raw.send("GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(raw.answer().code, 200)
        for raw in opened:
            raw.close()


if __name__ == "__main__":
    unittest.main()
