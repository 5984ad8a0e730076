// Runs a command and tells its wall time and the peak resident memory of all its processes.
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** pid → parent, for every process. */
function parents() {
  const out = new Map();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = read(`/proc/${name}/stat`);
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    out.set(Number(name), parent);
  }
  return out;
}

function residentOf(root) {
  const tree = parents();
  const family = new Set([root]);
  // a child's pid is nearly always larger; two passes catch the rest
  for (let pass = 0; pass < 2; pass++) for (const [pid, parent] of tree) if (family.has(parent)) family.add(pid);
  let total = 0;
  for (const pid of family) total += Number(/^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
  return total / 1024;
}

/** Runs to the end; throws with the output when it fails. `peak` is in MiB, sampled every 25 ms. */
export async function measure(program, args, options = {}) {
  const started = performance.now();
  const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output = (output + data).slice(-4000)));
  let peak = 0;
  const timer = setInterval(() => (peak = Math.max(peak, residentOf(child.pid))), 25);
  const code = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  clearInterval(timer);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}\n${output}`);
  return { seconds: (performance.now() - started) / 1000, peak };
}

/** The middle of the sorted values. */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
