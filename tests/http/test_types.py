"""Every datatype there and back, and every way in which an element does not fit its type."""
import struct
import sys
import unittest

sys.dont_write_bytecode = True
import harness  # noqa: E402

INFER = "/v2/models/types/infer"
# input: datatype, values that come back as they are
TYPES = {
    "float": ("FP32", [0, -1.5, 3.4028235e38, 1e-45, 0.1, 16777217e3]),
    "double": ("FP64", [0, 0.1, -1.7976931348623157e308, 5e-324, 1 / 3, 2**53]),
    "float16": ("FP16", [0, -0.5, 65504, 2**-24, 1024, 3]),
    "bfloat16": ("BF16", [0, -0.5, 2**100, 2**-100, 1.5, 3]),
    "bool": ("BOOL", [True, False, True, True, False, False]),
    "string": ("BYTES", ["", "a", 'quote " \\ \n', "\u00fc\u20ac\U0001f600", "x" * 5000, "\x7f"]),
    "int8": ("INT8", [0, 1, -128, 127, 5, 6]),
    "int16": ("INT16", [0, 1, -2**15, 2**15 - 1, 5, 6]),
    "int32": ("INT32", [0, 1, -2**31, 2**31 - 1, 5, 6]),
    "int64": ("INT64", [0, 2**53 + 1, -2**63, 2**63 - 1, 5, 6]),
    "uint8": ("UINT8", [0, 1, 255, 4, 5, 6]),
    "uint16": ("UINT16", [0, 1, 2**16 - 1, 4, 5, 6]),
    "uint32": ("UINT32", [0, 1, 2**32 - 1, 4, 5, 6]),
    "uint64": ("UINT64", [0, 2**53 + 1, 2**64 - 1, 4, 5, 6]),
}
# input: elements that must be refused
MISFITS = {
    "float": ["3.5e38", "-1e39", "true", "null", '"1"'],
    "double": ["1e309", "false", "null", "{}"],
    "float16": ["65520", "true"],
    "bfloat16": ["3.4e38", "null"],
    "bool": ["2", "-1", "0.0", '"true"', "null"],
    "string": ["1", "true", "null", "{}"],
    "int8": ["128", "-129", "1.5", "1e-1", "true", "1e99999999999999999999"],
    "int16": ["32768", "-32769"],
    "int32": ["2147483648", "-2147483649"],
    "int64": ["9223372036854775808", "-9223372036854775809", "1e19", "0.5"],
    "uint8": ["256", "-1"],
    "uint16": ["65536", "-1"],
    "uint32": ["4294967296", "-1"],
    "uint64": ["18446744073709551616", "-1", "1e20"],
}


def setUpModule():
    global server  # pylint: disable=global-variable-undefined
    server = harness.Server(harness.model("types"), "--threads", "1")


def tearDownModule():
    server.stop()


def tensor(name, data):
    return {"name": name, "shape": [len(data)], "datatype": TYPES[name][0], "data": data}


def single(x):
    return struct.unpack("f", struct.pack("f", x))[0]


class Types(unittest.TestCase):
    def check(self, name, found):
        expected = TYPES[name][1]
        if name in ("float", "float16", "bfloat16"):  # the shortest text that is the same float, not the same double
            found, expected = [single(x) for x in found], [single(x) for x in expected]
        self.assertEqual(found, expected, name)

    def test_metadata_names_them(self):
        about = server.get("/v2/models/types").json
        self.assertEqual({t["name"]: t["datatype"] for t in about["inputs"]}, {n: t for n, (t, _) in TYPES.items()})

    def test_values_come_back(self):
        answer = server.post(INFER, {"inputs": [tensor(n, data) for n, (_, data) in TYPES.items()]})
        self.assertEqual(answer.code, 200, answer.body)
        outputs = {o["name"]: o for o in answer.json["outputs"]}
        for name, (datatype, data) in TYPES.items():
            output = outputs[name + "_out"]
            self.assertEqual((output["datatype"], output["shape"]), (datatype, [6]))
            self.check(name, output["data"])

    def test_values_come_back_through_columns(self):
        answer = server.post("/v1/models/types:predict", {"inputs": {n: data for n, (_, data) in TYPES.items()}})
        self.assertEqual(answer.code, 200, answer.body)
        for name in TYPES:
            self.check(name, answer.json["outputs"][name + "_out"])

    def test_empty_tensors_come_back(self):
        answer = server.post(INFER, {"inputs": [tensor(n, []) for n in TYPES]})
        self.assertEqual(answer.code, 200, answer.body)
        for output in answer.json["outputs"]:
            self.assertEqual((output["shape"], output["data"]), ([0], []))

    def test_elements_that_do_not_fit_are_refused_by_name(self):
        client = server.client()
        for name, misfits in MISFITS.items():
            for text in misfits:
                body = (f'{{"inputs": [{{"name": "{name}", "shape": [1], "datatype": "{TYPES[name][0]}", '
                        f'"data": [{text}]}}]}}')
                answer = client.post(INFER, body)
                self.assertEqual((name, text, answer.code), (name, text, 400))
                self.assertIn(f"'{name}'", answer.json["error"])
        client.close()

    def test_what_json_cannot_carry_is_refused(self):
        with harness.Server(harness.model("exotic"), "--threads", "1") as exotic:
            for about in exotic.get("/v2/models/exotic").json["inputs"]:
                name = about["name"]
                self.assertEqual(about["datatype"], "UNKNOWN", name)
                for path, body in (("/v2/models/exotic/infer", {"inputs": [dict(tensor("float", [1, 2]), name=name)]}),
                                   ("/v1/models/exotic:predict", {"inputs": {name: [1, 2]}}),
                                   ("/v1/models/exotic:predict", {"instances": [{name: 1}, {name: 2}]})):
                    answer = exotic.post(path, body)
                    self.assertEqual((name, path, answer.code), (name, path, 501))
                    self.assertIn(f"'{name}'", answer.json["error"])


if __name__ == "__main__":
    unittest.main()
