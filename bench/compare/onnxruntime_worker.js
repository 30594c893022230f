// node onnxruntime_worker.js MODEL.onnx INPUT DIMS THREADS OUTPUT
// ONNX Runtime's side of bench/compare.sh: the same arguments, commands and answers as sinter_worker.c has, with the npm binding.
const fs = require("fs");
const readline = require("readline");
const ort = require("onnxruntime-node");

const [model, input, dims, threads, output] = process.argv.slice(2);
const now = () => Number(process.hrtime.bigint()) / 1000; // microseconds
const say = (line) => fs.writeSync(1, line + "\n");

function resident() {
  return Number(/VmRSS:\s*(\d+)/.exec(fs.readFileSync("/proc/self/status", "utf8"))[1]);
}

async function main() {
  const data = new Float32Array(Uint8Array.from(fs.readFileSync(input)).buffer);
  const tensor = new ort.Tensor("float32", data, dims.split("x").map(Number));

  const before = resident();
  let start = now();
  const session = await ort.InferenceSession.create(model, {
    graphOptimizationLevel: "all",
    executionMode: "sequential",
    intraOpNumThreads: Number(threads),
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  say(`loaded ${(now() - start).toFixed(2)} ${before}`);
  if (session.inputNames.length !== 1) throw new Error(`${model}: expected one input`);
  const feeds = { [session.inputNames[0]]: tensor };

  start = now();
  const outputs = await session.run(feeds);
  say(`first ${(now() - start).toFixed(2)}`);
  fs.writeFileSync(
    output,
    Buffer.concat(session.outputNames.map((name) => {
      const { data } = outputs[name];
      return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    })),
  );
  say("ready");

  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [command, count] = line.split(" ");
    const times = [];
    const all = now();
    for (let i = 0; i < Number(count); i++) {
      start = now();
      await session.run(feeds);
      times.push(now() - start);
    }
    say(command === "burst" ? times.map((t) => t.toFixed(2)).join(" ") : (now() - all).toFixed(2));
  }
}

main().catch((error) => {
  console.error(String(error));
  process.exit(1);
});
