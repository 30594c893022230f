"""A folder of models: versions, both layouts, odd names, and one that does not load."""
import os
import shutil
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
import harness  # noqa: E402

AB = {"inputs": [{"name": n, "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 4]} for n in ("a", "b")]}


def fill(folder, **models):
    for path, source in models.items():
        path = os.path.join(folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copy(source, path)


class Repository(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def serve(self, *arguments):
        return harness.Server("--model-repository", self.folder, "--threads", "1", *arguments)

    def test_versions(self):
        fill(self.folder, **{f"digits/{v}/model.onnx": harness.DIGITS for v in ("2", "10", "9")})
        fill(self.folder, **{"digits/1/model.onnx": harness.model("arithmetic"), "digits/7/other.onnx": harness.DIGITS,
                             "ab.onnx": harness.model("arithmetic"), "notes.txt": __file__,
                             ".hidden/1/model.onnx": __file__})
        with self.serve() as server:
            self.assertEqual(server.get("/v2/health/ready").code, 200)
            about = server.get("/v2/models/digits").json
            self.assertEqual(about["versions"], ["1", "2", "9", "10"])
            self.assertEqual(about["inputs"][0]["name"], "image")
            answer = server.post("/v2/models/digits/infer", harness.digit_request(3))
            self.assertEqual((answer.code, answer.json["model_version"]), (200, "10"))
            answer = server.post("/v2/models/digits/versions/2/infer", harness.digit_request(3))
            self.assertEqual((answer.code, answer.json["model_version"]), (200, "2"))
            answer = server.post("/v2/models/digits/versions/1/infer", AB)
            self.assertEqual(answer.json["outputs"][0]["data"], [2, 4, 108])
            self.assertEqual(server.post("/v2/models/ab/infer", AB).json["model_version"], "1")
            for path in ("digits/versions/3", "digits/versions/7", "digits/versions/02", "notes", ".hidden", "ab.onnx"):
                self.assertEqual(server.get("/v2/models/" + path).code, 404, path)

    def test_odd_names(self):
        names = {"a b": "a%20b", "p%q": "p%25q", "u\u00fc": "u%C3%BC", "c:d": "c:d", "e+f": "e+f", "q?": "q%3F", "1": "1"}
        for name in names:
            fill(self.folder, **{name + ".onnx": harness.model("arithmetic")})
        with self.serve() as server:
            for name, escaped in names.items():
                answer = server.post(f"/v2/models/{escaped}/infer", AB)
                self.assertEqual((answer.code, answer.json.get("model_name")), (200, name))
                self.assertEqual(server.get(f"/v2/models/{escaped}").json["name"], name)
                answer = server.post(f"/v1/models/{escaped}:predict", {"inputs": {"a": [[1, 2, 4]], "b": [[1, 2, 4]]}})
                self.assertEqual(answer.code, 200, answer.body)

    def test_a_name_with_a_slash(self):
        with harness.Server(harness.model("arithmetic"), "--name", "team/ab", "--threads", "1") as server:
            self.assertEqual(server.post("/v2/models/team%2fab/infer", AB).json["model_name"], "team/ab")
            self.assertEqual(server.get("/v2/models/team%2Fab/ready").code, 200)
            self.assertEqual(server.get("/v2/models/team/ab/ready").code, 404)

    def test_a_broken_model_does_not_stop_the_others(self):
        fill(self.folder, **{"good.onnx": harness.model("arithmetic"), "broken/1/model.onnx": __file__})
        os.symlink("endless", os.path.join(self.folder, "endless"))
        with self.serve() as server:
            self.assertIn("serving 1 model on", server.announcement)
            self.assertEqual(server.get("/v2/health/live").code, 200)
            self.assertEqual(server.get("/v2/health/ready").code, 503)
            self.assertEqual(server.get("/v2/models/good/ready").code, 200)
            self.assertEqual(server.post("/v2/models/good/infer", AB).code, 200)
            self.assertEqual(server.get("/v2/models/broken/ready").code, 503)
            for answer in (server.get("/v2/models/broken"), server.post("/v2/models/broken/infer", AB),
                           server.post("/v1/models/broken:predict", {"instances": [1]}), server.get("/v1/models/broken")):
                self.assertEqual(answer.code, 503)
                self.assertIn("'broken'", answer.json["error"])
                self.assertIn("Retry-After", answer.headers)
            self.assertIn("'broken'", server.stderr())
            self.assertIn("endless' is left out", server.stderr())

    def test_a_file_that_is_overwritten_while_served(self):
        path = os.path.join(self.folder, "ab.onnx")
        shutil.copy(harness.model("arithmetic"), path)
        with self.serve() as server:
            with open(path, "w", encoding="ascii") as file:
                file.write("gone")
            self.assertEqual(server.post("/v2/models/ab/infer", AB).json["outputs"][0]["data"], [2, 4, 108])

    def test_models_have_queues_of_their_own(self):
        fill(self.folder, **{"slow.onnx": harness.model("slow"), "ab.onnx": harness.model("arithmetic")})
        with self.serve("--queue-size", "1") as server:
            n = harness.slow_size(server, 0.5)
            calls = [harness.Background(server.post, harness.SLOW, harness.slow_body(n)) for _ in range(8)]
            self.assertEqual(server.post("/v2/models/ab/infer", AB).code, 200)
            codes = sorted(call.result().code for call in calls)
            self.assertEqual(codes[0], 200)
            self.assertEqual(codes[-1], 503)


if __name__ == "__main__":
    unittest.main()
