#!/usr/bin/python3
"""Compares proto/onnx.proto with the descriptors of an installed onnx package, field by field: name, number, type, label.

The installed package may be older or newer than the schema: fields that it lacks are listed, not failed. What our schema
leaves to unknown fields on purpose is in NOT_MODELLED; any other field that we lack is an error.

Usage: compare_schema.py [onnx.proto]. Exit code 0: agrees, 1: does not, 77: skipped, onnx is not installed.
"""
import os
import re
import sys

NOT_MODELLED = {
    "ModelProto.training_info", "ModelProto.configuration", "GraphProto.quantization_annotation",
    "NodeProto.device_configurations",
}
NOT_MODELLED_MESSAGES = {
    "TrainingInfoProto", "TensorAnnotation", "DeviceConfigurationProto", "NodeDeviceConfigurationProto",
    "ShardingSpecProto", "ShardedDimProto", "SimpleShardedDimProto", "IntIntListEntryProto",
}

TOKEN = re.compile(r'"[^"]*"|[A-Za-z_][\w.]*|\d+|[{}=;\[\]]')


class Schema:
    """The messages, enums and fields of a .proto file, as far as this project's style of writing one goes."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.tokens = TOKEN.findall(re.sub(r"//[^\n]*", "", file.read()))
        self.at = 0
        self.fields = {}  # "Message.field" -> (number, type name, label, packed)
        self.enums = {}  # "Message.Enum" -> {name: number}
        self.messages = set()
        while self.at < len(self.tokens):
            self.item("")

    def next(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def expect(self, token):
        found = self.next()
        if found != token:
            sys.exit(f"cannot read the schema: expected {token!r}, found {found!r}")

    def item(self, scope, label="optional"):
        word = self.next()
        if word in ("syntax", "package"):
            while self.next() != ";":
                pass
        elif word == "message":
            name = scope + self.next()
            self.messages.add(name)
            self.block(name + ".")
        elif word == "enum":
            self.enum(scope + self.next())
        elif word == "oneof":
            self.next()
            self.block(scope)
        elif word in ("optional", "repeated"):
            self.field(scope, word, self.next())
        else:  # in a oneof fields have no label
            self.field(scope, label, word)

    def block(self, scope):
        self.expect("{")
        while self.tokens[self.at] != "}":
            self.item(scope)
        self.expect("}")

    def enum(self, name):
        self.enums[name] = {}
        self.expect("{")
        while self.tokens[self.at] != "}":
            value = self.next()
            self.expect("=")
            self.enums[name][value] = int(self.next())
            self.expect(";")
        self.expect("}")

    def field(self, scope, label, type_name):
        name = self.next()
        self.expect("=")
        number = int(self.next())
        packed = False
        while (token := self.next()) != ";":
            packed |= token == "packed"
        self.fields[scope + name] = (number, type_name, label, packed)


def official_messages(messages, scope=""):
    for message in messages:
        name = scope + message.name
        yield name, message
        yield from official_messages(message.nested_types, name + ".")


def describe(field):
    scalar = {1: "double", 2: "float", 3: "int64", 4: "uint64", 5: "int32", 9: "string", 12: "bytes", 13: "uint32"}
    if field.message_type is not None:
        type_name = field.message_type.name
    elif field.enum_type is not None:
        type_name = field.enum_type.name
    else:
        type_name = scalar.get(field.type, str(field.type))
    return field.number, type_name, "repeated" if field.label == 3 else "optional", bool(field.GetOptions().packed)


def compare(ours, modules):
    problems, newer = [], []
    official = dict(pair for module in modules
                    for pair in official_messages(module.DESCRIPTOR.message_types_by_name.values()))
    theirs = {f"{name}.{field.name}": describe(field) for name, message in official.items() for field in message.fields}
    enums = {f"{name}.{enum.name}": {v.name: v.number for v in enum.values}
             for name, message in official.items() for enum in message.enum_types}
    for name, field in theirs.items():
        message = name.rsplit(".", 1)[0]
        if name in NOT_MODELLED or message.split(".")[0] in NOT_MODELLED_MESSAGES:
            continue
        if name not in ours.fields:
            problems.append(f"{name}: missing in our schema")
        elif ours.fields[name] != field:
            problems.append(f"{name}: ours {ours.fields[name]}, expected {field}")
    newer += sorted(set(ours.fields) - set(theirs))
    for name, values in enums.items():
        for value, number in values.items():
            if ours.enums.get(name, {}).get(value) != number:
                problems.append(f"{name}.{value}: expected {number}, ours {ours.enums.get(name, {}).get(value)}")
    for name, values in ours.enums.items():
        newer += [f"{name}.{value}" for value in values if value not in enums.get(name, {})]
    return problems, newer, len(set(theirs) & set(ours.fields))


def main():
    default = os.path.join(os.path.dirname(__file__), "..", "..", "..", "proto", "onnx.proto")
    ours = Schema(sys.argv[1] if len(sys.argv) > 1 else default)
    try:
        from onnx import onnx_data_pb2, onnx_ml_pb2
    except ImportError:
        print("SKIP: python3-onnx is not installed")
        return 77
    problems, newer, compared = compare(ours, [onnx_ml_pb2, onnx_data_pb2])
    for problem in problems:
        print("DIFFERENT", problem)
    for name in newer:
        print("not in the installed onnx:", name)
    print(f"{compared} fields compared, {len(problems)} differ")
    return 1 if problems or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
