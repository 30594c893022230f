"""Requests that must be refused: each with its code and a text that names what is wrong; the connection stays usable."""
import json
import sys
import unittest

sys.dont_write_bytecode = True
import harness  # noqa: E402

V2 = "/v2/models/ab/infer"
V1 = "/v1/models/ab:predict"
D2 = "/v2/models/digits/infer"
D1 = "/v1/models/digits:predict"


def tensor(name="a", shape=(1, 3), datatype="FP32", data=(1, 2, 3), **more):
    return dict({"name": name, "shape": list(shape), "datatype": datatype, "data": data}, **more)


def infer(*inputs, **more):
    return dict({"inputs": list(inputs)}, **more)


def without(key):
    return {k: v for k, v in tensor().items() if k != key}


A, B = tensor(), tensor("b")
DEEP = "[" * 200000 + "]" * 200000

# path, body, code, what the error must name
BAD = [
    # not JSON, or not an object
    (V2, "", 400, ["empty"]),
    (V2, "   ", 400, ["empty"]),
    (V2, "hello", 400, ["not valid JSON", "byte 0"]),
    (V2, b"\xff\xfe\x00", 400, ["not valid JSON"]),
    (V2, "{", 400, ["not valid JSON"]),
    (V2, '{"inputs": [}', 400, ["not valid JSON"]),
    (V2, '{"inputs": []} x', 400, ["not valid JSON"]),
    (V2, '{"inputs": [] "id": 1}', 400, ["not valid JSON"]),
    (V2, '{"inputs": [1, 2', 400, ["not valid JSON"]),
    (V2, '{"id": "\\ud800x"}', 400, ["surrogate"]),
    (V2, '{"id": "\\ud800\\u0041"}', 400, ["surrogate"]),
    (V2, '{"id": "\\udc00"}', 400, ["surrogate"]),
    (V2, '{"id": "\\u0000"}', 400, ["NUL"]),
    (V2, b'{"id": "a\x00b"}', 400, ["control"]),
    (V2, '{"id": "a', 400, ["string without an end"]),
    (V2, '{"inputs": [NaN]}', 400, ["not valid JSON"]),
    (V2, '{"inputs": 01}', 400, ["not valid JSON"]),
    (V2, DEEP, 400, ["nesting"]),
    (V2, '{"inputs": ' + DEEP + "}", 400, ["nesting"]),
    (V2, '{"a":' * 1000 + "1" + "}" * 1000, 400, ["nesting"]),
    (V2, "[]", 400, ["not a JSON object"]),
    (V2, "5", 400, ["not a JSON object"]),
    (V2, '"x"', 400, ["not a JSON object"]),
    (V2, "null", 400, ["not a JSON object"]),
    (V1, "null", 400, ["not a JSON object"]),
    # the v2 envelope
    (V2, {}, 400, ["inputs"]),
    (V2, {"inputs": None}, 400, ["inputs"]),
    (V2, {"inputs": 5}, 400, ["inputs"]),
    (V2, {"inputs": [5]}, 400, ["inputs"]),
    (V2, {"inputs": [1, 2]}, 400, ["inputs"]),
    (V2, {"inputs": {"a": [1]}}, 400, ["inputs"]),
    (V2, {"inputs": ["a"]}, 400, ["not an object"]),
    (V2, {"inputs": [A, 7]}, 400, ["not an object"]),
    (V2, infer(A, B, id=5), 400, ["id"]),
    (V2, infer(A, B, id=["x"]), 400, ["id"]),
    (V2, infer(A, B, outputs={}), 400, ["outputs"]),
    (V2, infer(A, B, outputs=[1]), 400, ["outputs"]),
    (V2, infer(A, B, outputs=5), 400, ["outputs"]),
    (V2, infer(A, B, outputs=["sum"]), 400, ["outputs"]),
    (V2, infer(A, B, outputs=[{}]), 400, ["outputs", "name"]),
    (V2, infer(A, B, outputs=[{"name": 1}]), 400, ["outputs", "name"]),
    (V2, infer(A, B, outputs=[{"name": "nope"}]), 400, ["no output 'nope'"]),
    (V2, infer(A, B, outputs=[{"name": "sum"}, {"name": "sum"}]), 400, ["'sum'", "twice"]),
    # inputs that are missing, unknown, given twice
    (V2, infer(), 400, ["input 'a'", "missing"]),
    (V2, infer(A), 400, ["input 'b'", "missing"]),
    (V2, infer(A, A, B), 400, ["input 'a'", "twice"]),
    (V2, infer(A, B, tensor("z")), 400, ["no input 'z'"]),
    (V2, infer(tensor("x" * 5000)), 400, ["no input"]),
    # members of an input
    (V2, infer({}), 400, ["name"]),
    (V2, infer(without("name")), 400, ["name"]),
    (V2, infer(tensor(name=1)), 400, ["name"]),
    (V2, infer(without("datatype")), 400, ["'a'", "datatype"]),
    (V2, infer(tensor(datatype=5)), 400, ["'a'", "datatype"]),
    (V2, infer(tensor(datatype="FP64")), 400, ["'a'", "FP64", "FP32"]),
    (V2, infer(tensor(datatype="fp32")), 400, ["'a'", "fp32", "FP32"]),
    (V2, infer(without("shape")), 400, ["'a'", "shape"]),
    (V2, infer(tensor(shape="13")), 400, ["'a'", "shape"]),
    (V2, infer(dict(A, shape=3)), 400, ["'a'", "shape"]),
    (V2, infer(dict(A, shape=["3"])), 400, ["'a'", "shape"]),
    (V2, infer(tensor(shape=[-1, 3])), 400, ["'a'", "shape"]),
    (V2, infer(tensor(shape=[1.5, 2])), 400, ["'a'", "shape"]),
    (V2, infer(tensor(shape=[True, 3])), 400, ["'a'", "shape"]),
    (V2, infer(tensor(shape=[None, 3])), 400, ["'a'", "shape"]),
    (V2, infer(tensor(shape=[[1], 3])), 400, ["'a'"]),
    (V2, infer(tensor(shape=[1] * 17)), 400, ["'a'", "16"]),
    (V2, infer(tensor(shape=[2**63, 3])), 400, ["'a'"]),
    (V2, infer(tensor(shape=[2**62, 2**62])), 400, ["'a'"]),
    (V2, infer(tensor(shape=[10**9, 3])), 400, ["'a'", "3000000000"]),
    (V2, infer(tensor(shape=[2, 3])), 400, ["'a'", "6"]),
    (V2, infer(tensor(shape=[1, 2])), 400, ["'a'", "2"]),
    (V2, infer(tensor(shape=[3])), 400, ["'a'", "3"]),
    (V2, infer(tensor(shape=[3, 1])), 400, ["'a'"]),
    (V2, infer(tensor(shape=[0, 3])), 400, ["'a'", "more than the 0"]),
    (V2, infer(tensor(shape=[])), 400, ["'a'"]),
    (V2, infer(without("data")), 400, ["'a'", "data"]),
    (V2, infer(tensor(data="123")), 400, ["'a'", "data"]),
    (V2, infer(tensor(data=None)), 400, ["'a'", "data"]),
    (V2, infer(tensor(data={})), 400, ["'a'", "data"]),
    (V2, infer(tensor(data=5)), 400, ["'a'", "data"]),
    (V2, infer(tensor(data=[])), 400, ["'a'", "3"]),
    (V2, infer(tensor(data=[1, 2])), 400, ["'a'", "2 elements", "3"]),
    (V2, infer(tensor(data=[1, 2, 3, 4])), 400, ["'a'", "more than the 3"]),
    (V2, infer(tensor(data=[1, 2, "3"])), 400, ["'a'"]),
    (V2, infer(tensor(data=[1, {}, 3])), 400, ["'a'"]),
    (V2, infer(tensor(data=[1, None, 3])), 400, ["'a'", "element 1", "null"]),
    (V2, infer(tensor(data=[1, 2, 1e39])), 400, ["'a'", "element 2"]),
    (V2, infer(tensor(shape=[2, 3], data=[1] * 6), B), 400, ["a", "b"]),  # 2 and 1 rows broadcast, if N were not one N
    (D2, infer(tensor("image", [1, 1, 28, 27], data=[0] * 756)), 400, ["'image'", "28", "27"]),
    (D2, infer(tensor("image", [1, 784], data=[0] * 784)), 400, ["'image'", "784"]),
    # v1
    (V1, {}, 400, ["instances", "inputs"]),
    (V1, {"instances": [], "inputs": []}, 400, ["instances", "inputs"]),
    (V1, {"instances": 5}, 400, ["instances"]),
    (V1, {"instances": {}}, 400, ["instances"]),
    (V1, {"instances": "x"}, 400, ["instances"]),
    (V1, {"instances": None}, 400, ["instances"]),
    (V1, {"instances": []}, 400, ["3 inputs"]),
    (V1, {"instances": [[1, 2, 3]]}, 400, ["inputs"]),
    (V1, {"instances": [{}]}, 400, ["'a'", "missing"]),
    (V1, {"instances": [{"a": [1, 2, 3]}]}, 400, ["'b'", "missing"]),
    (V1, {"instances": [{"a": [1, 2, 3], "z": [1]}]}, 400, ["'z'"]),
    (V1, {"instances": [{"a": [1, 2, 3], "b": [1, 2, 3]}, {"a": [1, 2, 3]}]}, 400, ["instance 1"]),
    (V1, {"instances": [{"a": [1, 2, 3], "b": [1, 2, 3]}, {"a": [1, 2, 3], "z": 1}]}, 400, ["instance 1", "'b'"]),
    (V1, {"instances": [{"a": [1, 2, 3]}, 5]}, 400, ["instance 1"]),
    (V1, {"instances": [{"a": [1, 2, 3], "b": [1, 2, 3]}, {"a": [1, 2], "b": [1, 2, 3]}]}, 400, ["instance 1", "'a'"]),
    (V1, {"instances": [{"a": [1, 2, 3], "b": [1, 2, 3]}, {"a": [1, 2, 1e39], "b": [1, 2, 3]}]}, 400,
     ["instance 1", "'a'", "element 2"]),
    (V1, {"instances": [{"a": "x", "b": [1, 2, 3]}]}, 400, ["instance 0", "'a'"]),
    (V1, {"instances": [{"a": [[1], [2, 3]], "b": [1, 2, 3]}]}, 400, ["'a'", "rectangular"]),
    (V1, {"instances": [{"a": [1, 2], "b": [1, 2, 3]}]}, 400, ["'a'"]),
    (V1, '{"instances": [{"a": [1,2,3], "a": [1,2,3], "b": [1,2,3]}]}', 400, ["'a'", "twice"]),
    (V1, {"inputs": [[1, 2, 3]]}, 400, ["inputs"]),
    (V1, {"inputs": {"a": [[1, 2, 3]]}}, 400, ["'b'", "missing"]),
    (V1, {"inputs": {"a": [[1, 2, 3]], "b": [[1, 2], [3]]}}, 400, ["'b'", "rectangular"]),
    (V1, {"inputs": {"a": [[1, 2, 3]], "b": None}}, 400, ["'b'"]),
    (V1, {"inputs": {"a": [[1, 2, 3]], "b": "x"}}, 400, ["'b'"]),
    (V1, {"inputs": {"z": [[1, 2, 3]]}}, 400, ["'z'"]),
    (D1, {"instances": [[[1, 2], [3, 4]]]}, 400, ["'image'", "28"]),
    (D1, {"instances": [5]}, 400, ["'image'"]),
    (D1, {"instances": []}, 400, ["'image'"]),
    (D1, {"inputs": [[[["x"]]]]}, 400, ["'image'"]),
    (D1, {"inputs": 5}, 400, ["'image'"]),
]

# method, path, code, what the error must name
LOST = [
    ("GET", "/", 404, ["'/'"]),
    ("GET", "/v3", 404, ["/v3"]),
    ("GET", "/v2/model", 404, ["/v2/model"]),
    ("GET", "/v2/models", 404, ["/v2/models"]),
    ("GET", "/v2/models/", 404, []),
    ("GET", "/v2/models//ready", 404, []),
    ("POST", "/v2/models//infer", 404, []),
    ("POST", "/v1/models/:predict", 404, []),
    ("POST", "/v1/models/digits:classify", 405, []),
    ("GET", "/v2/models/nope", 404, ["'nope'"]),
    ("POST", "/v2/models/nope/infer", 404, ["'nope'"]),
    ("POST", "/v1/models/nope:predict", 404, ["'nope'"]),
    ("GET", "/v2/models/nope/ready", 404, ["'nope'"]),
    ("GET", "/v2/models/digits/versions/2", 404, ["'2'", "'digits'"]),
    ("POST", "/v2/models/digits/versions/2/infer", 404, ["'2'"]),
    ("GET", "/v2/models/digits/versions//ready", 404, []),
    ("GET", "/v2/models/a%2Fb", 404, ["'a/b'"]),
    ("GET", "/v2/models/digits%2Fready", 404, ["'digits/ready'"]),
    ("GET", "/v2/models/%", 400, ["escape"]),
    ("GET", "/v2/models/%4", 400, ["escape"]),
    ("GET", "/v2/models/%zz", 400, ["escape"]),
    ("GET", "/v2/models/digits%00", 400, ["escape"]),
    ("GET", "/v2/models/%ff%fe", 404, []),
    ("GET", "/v2/models/" + "x" * 20000, 404, []),
    ("GET", "/v2/models/../../etc/passwd", 404, []),
    ("GET", "/v2/health/ready/more", 404, []),
    ("GET", "/v2/health", 404, []),
]


def setUpModule():
    global ab, digits  # pylint: disable=global-variable-undefined
    ab = harness.Server(harness.model("arithmetic"), "--name", "ab", "--threads", "1")
    digits = harness.Server(harness.DIGITS, "--threads", "1")


def tearDownModule():
    for server in (ab, digits):
        server.stop()



class BadRequests(unittest.TestCase):
    def check(self, answer, code, names):
        self.assertEqual(answer.code, code, answer.body)
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        self.assertEqual(list(answer.json), ["error"])
        self.assertGreater(len(answer.json["error"]), 8)
        for name in names:
            self.assertIn(name, answer.json["error"])

    def test_bodies(self):
        clients = {V2: ab.client(), V1: ab.client(), D2: digits.client(), D1: digits.client()}
        for path, body, code, names in BAD:
            with self.subTest(path=path, body=str(body)[:200]):
                self.check(clients[path].post(path, body), code, names)
        for client in clients.values():
            self.assertEqual(client.get("/v2/health/ready").code, 200)
            client.close()

    def test_paths(self):
        client = digits.client()
        for method, path, code, names in LOST:
            with self.subTest(path=path[:200]):
                body = json.dumps({"inputs": []}) if method == "POST" else None
                self.check(client.request(method, path, body), code, names)
        client.close()

    def test_many_tokens_are_refused(self):
        answer = ab.post(V2, '{"inputs": [' + "{}," * 1000000 + "{}]}")
        self.assertEqual(answer.code, 413, answer.body)


if __name__ == "__main__":
    unittest.main()
