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
 * least what the largest of them ever had.
 */
export async function measure(program, args, options = {}) {
  const started = performance.now();
  const child = spawn("sh", ["-c", '"$@"; code=$?; times >&3; exit $code', "sh", program, ...args], { ...options, stdio: ["ignore", "pipe", "pipe", "pipe"] });
  let output = "";
  let times = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output = (output + data).slice(-4000)));
  child.stdio[3].on("data", (data) => (times += data));
  let peak = 0;
  const sample = () => {
    const pids = family(child.pid).slice(1);
    peak = Math.max(
      peak,
      ...pids.map((pid) => kilobytes(pid, "VmHWM")),
      pids.reduce((sum, pid) => sum + kilobytes(pid, "VmRSS"), 0),
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

/** The middle of the sorted values. */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
