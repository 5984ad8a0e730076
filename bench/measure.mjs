// Runs a command and tells its wall time, the CPU seconds and the peak resident memory of all its processes.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** A process and all below it. */
function family(pid) {
  const children = read(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean);
  return [pid, ...children.flatMap((child) => family(child))];
}

/** CPU seconds of a process and all below it, those that have ended included. */
export function familyCPU(pid) {
  const ticks = family(pid).map((one) => {
    // user, system, and both of the children that were waited for: fields 14 to 17 of proc(5), the second of which may hold blanks
    const fields = read(`/proc/${one}/stat`)
      .replace(/^.*\) /s, "")
      .split(" ");
    return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  });
  return ticks.reduce((sum, one) => sum + one, 0) / 100;
}

function kilobytes(pid, field) {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
}

/** What the shell's `times` says of its children: `0m1.23s 0m0.45s` on the second line. */
function cpuSeconds(times) {
  const [, children = ""] = times.trim().split("\n");
  return children.split(" ").reduce((sum, part) => {
    const [, minutes = "0", seconds = "0"] = /(\d+)m([\d.,]+)s/.exec(part) ?? [];
    return sum + 60 * Number(minutes) + Number(seconds.replace(",", "."));
  }, 0);
}

/**
 * Runs to the end; throws with the output when it fails. `peak` is in MiB: the highest sum that was seen of all processes, sampled every 50 ms, but at
 * least what the largest of them ever had. A process `beside` it counts, with all below it, for what it has meanwhile.
 */
export async function measure(program, args, { beside, env = process.env, ...options } = {}) {
  // Node reads these at each start, 0.05 s and more for a system's whole list; nothing here speaks TLS, and the peers aren't slowed by it
  const { NODE_EXTRA_CA_CERTS: _, ...measured } = env;
  const started = performance.now();
  const child = spawn("sh", ["-c", '"$@"; code=$?; times >&3; exit $code', "sh", program, ...args], {
    ...options,
    env: measured,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  let output = "";
  let times = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output = (output + data).slice(-4000)));
  child.stdio[3].on("data", (data) => (times += data));
  let peak = 0;
  const sample = () => {
    const own = family(child.pid).slice(1);
    const all = beside === undefined ? own : [...own, ...family(beside)];
    peak = Math.max(
      peak,
      ...own.map((pid) => kilobytes(pid, "VmHWM")),
      all.reduce((sum, pid) => sum + kilobytes(pid, "VmRSS"), 0),
    );
  };
  const timer = setInterval(sample, 50);
  const code = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  clearInterval(timer);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}\n${output}`);
  return { seconds: (performance.now() - started) / 1000, cpu: cpuSeconds(times), peak: peak / 1024 };
}

/** One thing done in several commands. */
export function together(...parts) {
  return {
    seconds: parts.reduce((sum, part) => sum + part.seconds, 0),
    cpu: parts.reduce((sum, part) => sum + part.cpu, 0),
    peak: Math.max(...parts.map((part) => part.peak)),
  };
}

/** The middle of the sorted values; of an even number, the mean of the two in the middle. */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
