// node onnxruntime.js RTOL ATOL FOLDER...
// Each FOLDER holds optimized.onnx, and input_i.pb / output_i.pb (TensorProto). Checks with ONNX Runtime that the model loads, uses
// ai.onnx operators only, and gives the stored outputs.
const fs = require("fs");
const path = require("path");
const ort = require("onnxruntime-node");

// The fields of one protobuf message: [{number, value}], value a BigInt or a Buffer.
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const take = (n) => bytes.subarray(at, (at += n));
    const value = [() => varint(), () => take(8), () => take(Number(varint())), null, null, () => take(4)][tag & 7]();
    yield { number: tag >> 3, value };
  }
}

const TYPES = { 1: ["float32", Float32Array], 7: ["int64", BigInt64Array], 6: ["int32", Int32Array], 11: ["float64", Float64Array] };

function readTensor(file) {
  const tensor = { dims: [], type: 0, raw: Buffer.alloc(0) };
  for (const { number, value } of fields(fs.readFileSync(file))) {
    if (number === 1) {
      if (typeof value === "bigint") tensor.dims.push(Number(value));
      else for (let i = 0, n = 0n, s = 0n; i < value.length; i++) {
        n |= BigInt(value[i] & 127) << s;
        s += 7n;
        if (value[i] < 128) { tensor.dims.push(Number(n)); n = s = 0n; }
      }
    } else if (number === 2) tensor.type = Number(value);
    else if (number === 9 || number === 4) tensor.raw = value;
  }
  const [name, Array] = TYPES[tensor.type];
  return new ort.Tensor(name, new Array(Uint8Array.from(tensor.raw).buffer), tensor.dims);
}

function domains(file) {
  const found = new Set();
  for (const model of fields(fs.readFileSync(file)))
    if (model.number === 7)
      for (const graph of fields(model.value))
        if (graph.number === 1)
          for (const node of fields(graph.value)) if (node.number === 7) found.add(node.value.toString());
  found.delete("");
  found.delete("ai.onnx");
  return [...found];
}

async function check(folder, rtol, atol) {
  const model = path.join(folder, "optimized.onnx");
  if (domains(model).length) return `operators of ${domains(model)}`;
  const session = await ort.InferenceSession.create(model, { graphOptimizationLevel: "disabled", logSeverityLevel: 3 });
  const feeds = {};
  session.inputNames.forEach((name, i) => (feeds[name] = readTensor(path.join(folder, `input_${i}.pb`))));
  const outputs = await session.run(feeds);
  for (const [i, name] of session.outputNames.entries()) {
    const expected = readTensor(path.join(folder, `output_${i}.pb`));
    const found = outputs[name];
    if (String(found.dims) !== String(expected.dims)) return `output ${name}: shape ${found.dims}, expected ${expected.dims}`;
    for (let k = 0; k < expected.data.length; k++) {
      const a = Number(found.data[k]), b = Number(expected.data[k]);
      if (!(Math.abs(a - b) <= rtol * Math.abs(b) + atol)) return `output ${name}[${k}]: ${a}, expected ${b}`;
    }
  }
  return "";
}

(async () => {
  const [rtol, atol] = process.argv.slice(2, 4).map(Number);
  let failed = 0;
  const folders = process.argv.slice(4);
  for (const folder of folders) {
    const problem = await check(folder, rtol, atol).catch((error) => String(error));
    if (problem) failed++;
    console.log(`${problem ? "FAIL" : "PASS"} ${path.basename(folder)}${problem && ": "}${problem}`);
  }
  console.log(`${folders.length - failed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
})();
