"""Both protocols and the metadata routes, as a well-behaved client sees them."""
import json
import math
import sys
import unittest

sys.dont_write_bytecode = True
import harness  # noqa: E402

INFER = "/v2/models/digits/infer"
PREDICT = "/v1/models/digits:predict"


def setUpModule():
    global digits, arithmetic, slow  # pylint: disable=global-variable-undefined
    digits = harness.Server(harness.DIGITS, "--threads", "1")
    arithmetic = harness.Server(harness.model("arithmetic"), "--name", "ab", "--threads", "1")
    slow = harness.Server(harness.model("slow"), "--threads", "1")


def tearDownModule():
    for server in (digits, arithmetic, slow):
        server.stop()



def nested(flat, shape):
    if len(shape) <= 1:
        return flat
    step = len(flat) // shape[0]
    return [nested(flat[i * step:(i + 1) * step], shape[1:]) for i in range(shape[0])]


def best(scores):
    return max(range(len(scores)), key=scores.__getitem__)


def float_tensor(name, shape, data):
    return {"name": name, "shape": shape, "datatype": "FP32", "data": data}


class Metadata(unittest.TestCase):
    def check(self, path, code=200, server=None):
        answer = (server or digits).get(path)
        self.assertEqual(answer.code, code, answer.body)
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        return answer.json

    def test_server(self):
        about = self.check("/v2")
        self.assertEqual(about["name"], "sinter")
        self.assertRegex(about["version"], r"^\d+\.\d+\.\d+$")
        self.assertEqual(about["extensions"], [])

    def test_health(self):
        self.assertEqual(self.check("/v2/health/live"), {"live": True})
        self.assertEqual(self.check("/v2/health/ready"), {"ready": True})
        for path in ("/v2/models/digits/ready", "/v2/models/digits/versions/1/ready"):
            self.assertEqual(self.check(path), {"name": "digits", "ready": True})

    def test_model(self):
        for path in ("/v2/models/digits", "/v2/models/digits/versions/1", "/v2/models/digits/", "//v2/models/digits",
                     "/v2/models/digits?verbose=1&x", "/v2/models/%64igits"):
            about = self.check(path)
            self.assertEqual(about["name"], "digits")
            self.assertEqual(about["versions"], ["1"])
            self.assertEqual(about["platform"], "onnx_onnxv1")
            self.assertEqual(about["inputs"], [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 28, 28]}])
            self.assertEqual(len(about["outputs"]), 1)
            self.assertEqual(about["outputs"][0]["shape"], [-1, 10])
        self.assertEqual(self.check("/v2/models/slow", server=slow)["inputs"],
                         [{"name": "n", "datatype": "INT64", "shape": []}])

    def test_v1_status(self):
        for path in ("/v1/models/digits", "/v1/models/digits/versions/1"):
            status = self.check(path)["model_version_status"][0]
            self.assertEqual((status["version"], status["state"]), ("1", "AVAILABLE"))

    def test_head_is_get_without_a_body(self):
        raw = digits.raw()
        for path in ("/v2", "/v2/health/ready", "/v2/models/digits"):
            raw.send(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = raw.answer(head=True)
            self.assertEqual(answer.code, 200)
            self.assertEqual(int(answer.headers["content-length"]), len(digits.get(path).body))
        raw.close()

    def test_other_methods_are_told_which_are_allowed(self):
        for path, allowed in (("/v2", "GET, HEAD"), ("/v2/models/digits", "GET, HEAD"), (INFER, "POST"),
                              (PREDICT, "POST"), ("/v1/models/digits", "GET, HEAD")):
            for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"):
                if method in allowed:
                    continue
                answer = digits.request(method, path)
                self.assertEqual((method, path, answer.code), (method, path, 405))
                self.assertEqual(answer.headers["Allow"], allowed)
                if method != "HEAD":
                    self.assertIn(method, answer.json["error"])


class OpenInferenceProtocol(unittest.TestCase):
    def test_every_digit_is_recognised(self):
        client = digits.client()
        for digit in range(10):
            body = harness.digit_request(digit)
            for form in ("flat", "nested"):
                if form == "nested":
                    body["inputs"][0]["data"] = nested(body["inputs"][0]["data"], body["inputs"][0]["shape"])
                answer = client.post(INFER, body)
                self.assertEqual(answer.code, 200, answer.body)
                self.assertEqual((answer.json["model_name"], answer.json["model_version"]), ("digits", "1"))
                self.assertNotIn("id", answer.json)
                output = answer.json["outputs"][0]
                self.assertEqual((output["datatype"], output["shape"]), ("FP32", [1, 10]))
                self.assertEqual(best(output["data"]), digit, form)
        client.close()

    def test_a_batch_gives_the_same_as_single_requests(self):
        requests = [harness.digit_request(d)["inputs"][0] for d in range(10)]
        batch = float_tensor("image", [10, 1, 28, 28], [x for r in requests for x in r["data"]])
        answer = digits.post("/v2/models/digits/versions/1/infer", {"inputs": [batch]})
        self.assertEqual(answer.code, 200, answer.body)
        self.assertEqual(answer.json["outputs"][0]["shape"], [10, 10])
        rows = nested(answer.json["outputs"][0]["data"], [10, 10])
        for digit, row in enumerate(rows):
            self.assertEqual(row, digits.post(INFER, harness.digit_request(digit)).json["outputs"][0]["data"])

    def test_an_empty_batch_gives_an_empty_answer_or_a_reason(self):
        answer = digits.post(INFER, {"inputs": [float_tensor("image", [0, 1, 28, 28], [])]})
        if answer.code == 200:
            self.assertEqual((answer.json["outputs"][0]["shape"], answer.json["outputs"][0]["data"]), ([0, 10], []))
        else:
            self.assertEqual(answer.code, 400, answer.body)

    def test_id_is_echoed(self):
        for name in ("", "42", 'a "quoted" \\ id', "\u00fcml\u00e4ut \U0001f600 \x7f\n"):
            answer = digits.post(INFER, dict(harness.digit_request(0), id=name))
            self.assertEqual(answer.json["id"], name)

    def ask(self, **more):
        inputs = [float_tensor("a", [2, 3], [1, 2, 3, 4, 5, 6]), float_tensor("b", [2, 3], [[1, 1, 2], [2, 0.5, 3]])]
        return arithmetic.post("/v2/models/ab/infer", dict({"inputs": inputs}, **more))

    def test_outputs_are_all_unless_selected(self):
        answer = self.ask()
        self.assertEqual(answer.code, 200, answer.body)
        first, second = answer.json["outputs"]
        self.assertEqual(first, {"name": "sum", "datatype": "FP32", "shape": [2, 3], "data": [2, 3, 105, 6, 5.5, 109]})
        self.assertEqual(second["data"], [1, 2, 1.5, 2, 10, 2])
        self.assertEqual(self.ask(outputs=[]).json, answer.json)
        self.assertEqual(self.ask(OUTPUTS=5).json, answer.json)  # names are case-sensitive, unknown ones ignored
        self.assertEqual(self.ask(outputs=[{"name": "quotient"}]).json["outputs"], [second])
        self.assertEqual(self.ask(outputs=[{"name": "quotient", "parameters": {}}, {"name": "sum"}]).json["outputs"],
                         [second, first])

    def test_an_optional_input_overrides_its_default(self):
        inputs = [float_tensor("c", [3], [0, 10, 20]), float_tensor("b", [1, 3], [1, 1, 1]),
                  float_tensor("a", [1, 3], [0, 0, 0])]
        answer = arithmetic.post("/v2/models/ab/infer", {"inputs": inputs, "parameters": {"x": [1, "y"]}})
        self.assertEqual(answer.json["outputs"][0]["data"], [1, 11, 21])

    def test_what_json_cannot_say_is_null(self):
        inputs = [float_tensor("a", [1, 3], [1, -1, 0]), float_tensor("b", [1, 3], [0, 0, 0])]
        answer = arithmetic.post("/v2/models/ab/infer", {"inputs": inputs, "outputs": [{"name": "quotient"}]})
        self.assertEqual(answer.json["outputs"][0]["data"], [None, None, None])
        answer = arithmetic.post("/v1/models/ab:predict", {"inputs": {"a": [[1, 0, 6]], "b": [[0, 0, 3]]}})
        self.assertEqual(answer.json["outputs"]["quotient"], [[None, None, 2]])

    def test_a_scalar_has_an_empty_shape(self):
        answer = slow.post(harness.SLOW, harness.slow_body(4))
        self.assertEqual(answer.code, 200, answer.body)
        output = answer.json["outputs"][0]
        self.assertEqual(output["shape"], [])
        self.assertTrue(math.isclose(output["data"][0], 1, rel_tol=1e-5))

    def test_white_space_and_unicode_escapes_do_not_matter(self):
        body = json.dumps(harness.digit_request(7), indent=3).replace('"image"', '"im\\u0061ge"')
        answer = digits.post(INFER, "\r\n\t " + body + " \n")
        self.assertEqual(best(answer.json["outputs"][0]["data"]), 7)


class Predict(unittest.TestCase):
    def image(self, digit):
        return nested(harness.digit_request(digit)["inputs"][0]["data"], [1, 28, 28])

    def test_rows_of_a_single_input(self):
        for path in (PREDICT, "/v1/models/digits/versions/1:predict"):
            answer = digits.post(path, {"instances": [self.image(d) for d in (3, 1, 4)]})
            self.assertEqual(answer.code, 200, answer.body)
            self.assertEqual([best(row) for row in answer.json["predictions"]], [3, 1, 4])

    def test_rows_as_objects(self):
        answer = digits.post(PREDICT, {"instances": [{"image": self.image(d)} for d in (5, 9)],
                                       "signature_name": "serving_default"})
        self.assertEqual([best(row) for row in answer.json["predictions"]], [5, 9])

    def test_columns(self):
        for inputs in ([self.image(2)], {"image": [self.image(2)]}):
            answer = digits.post(PREDICT, {"inputs": inputs})
            self.assertEqual(answer.code, 200, answer.body)
            self.assertEqual([best(row) for row in answer.json["outputs"]], [2])

    def test_several_inputs_and_outputs(self):
        rows = [{"a": [1, 2, 3], "b": [1, 1, 1]}, {"b": [2, 2, 2], "a": [4, 6, 8]}]
        answer = arithmetic.post("/v1/models/ab:predict", {"instances": rows})
        self.assertEqual(answer.code, 200, answer.body)
        self.assertEqual(answer.json["predictions"], [{"sum": [2, 3, 104], "quotient": [1, 2, 3]},
                                                      {"sum": [6, 8, 110], "quotient": [2, 3, 4]}])
        columns = {"a": [[1, 2, 3], [4, 6, 8]], "b": [[1, 1, 1], [2, 2, 2]]}
        answer = arithmetic.post("/v1/models/ab:predict", {"inputs": columns})
        self.assertEqual(answer.json["outputs"], {"sum": [[2, 3, 104], [6, 8, 110]], "quotient": [[1, 2, 3], [2, 3, 4]]})

    def test_a_scalar_stands_bare(self):
        for inputs in (4, {"n": 4}):
            answer = slow.post("/v1/models/slow:predict", {"inputs": inputs})
            self.assertEqual(answer.code, 200, answer.body)
            self.assertTrue(math.isclose(answer.json["outputs"], 1, rel_tol=1e-5))


if __name__ == "__main__":
    unittest.main()
