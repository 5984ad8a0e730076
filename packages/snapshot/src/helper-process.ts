import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { VarveError } from "@varve/errors";
import type { IOOptions } from "@varve/oci";
import {
  ADMISSION,
  killDescendants,
  launch,
  type Launched,
  type Launcher,
  type LaunchEnd,
  namespacePolicy,
  namespaceRemedy,
  type Ids,
  openLauncher,
  type SandboxDriver,
  type SandboxEntry,
} from "@varve/sandbox";
import { type Channel, createChannel } from "./channel/channel.ts";
import { CHANNEL, type OpenParams, type OpenResult, type RungPowers } from "./helper/helper-call.ts";

/** The helper process, inside the namespaces of a rung. */
export interface HelperProcess extends RungPowers, AsyncDisposable {
  readonly channel: Channel;
  readonly driver: SandboxDriver;
  /** The way it was started. */
  readonly way: string;
  /** What this rung cannot do here, one sentence each. */
  readonly losses: readonly string[];
  readonly ids: Ids;
  /** Snapshots can hold the marks of deleted files. */
  readonly whiteouts: boolean;
  /** What a step changed may be kept while the next one begins. */
  readonly keeps: boolean;
}

/** Host paths a helper works in, and what it has to give on. */
export interface HelperSurroundings {
  readonly directory: string;
  readonly cacheMounts: string;
  /** Descriptors of this process for steps that are not captured. */
  readonly streams: readonly [number, number, number];
  /** A folder that may hold what V8 compiled of the helper's program, for its next start. */
  readonly compiled?: string | undefined;
}

/** Bytes kept of what a helper says on stderr before it dies. */
const LAST_WORDS = 4096;
/** Milliseconds. */
const GUARD_TIME = 50;

/** A way into a rung that does not work. */
export interface FailedWay {
  /** Absent when all ways fail for this reason. */
  readonly way?: string;
  readonly reason: string;
  /** What would make it work. */
  readonly remedy?: string;
}

/** Starts a helper by the first of the driver's ways that works; SANDBOX_UNAVAILABLE tells why each does not. */
export async function startHelper(driver: SandboxDriver, surroundings: HelperSurroundings, options: IOOptions = {}): Promise<HelperProcess> {
  const { helper, failed } = await tryHelper(driver, surroundings, options);
  if (helper !== undefined) return helper;
  const remedies = new Set(failed.flatMap(({ remedy }) => remedy ?? []));
  throw new VarveError("SANDBOX_UNAVAILABLE", `the sandbox ${driver.name} does not work here`, {
    details: failed.map(({ way, reason }) => `${way ?? driver.name}: ${reason}`),
    hint: [...remedies].join("; or ") || undefined,
  });
}

/** As {@link startHelper}, with the ways that do not work as data. Throws SANDBOX_UNAVAILABLE for what all ways need. */
export async function tryHelper(
  driver: SandboxDriver,
  surroundings: HelperSurroundings,
  options: IOOptions = {},
): Promise<{ readonly helper?: HelperProcess; readonly failed: readonly FailedWay[] }> {
  const helper = helperPath();
  const directories = [surroundings.directory, tmpdir()];
  // a process less, which takes one of much memory long to start
  let launcher = await openLauncher(directories, { isTried: false });
  const failed: FailedWay[] = [];
  try {
    for (const entry of driver.entries()) {
      options.signal?.throwIfAborted();
      const start = async (): Promise<HelperProcess> => await startIn(entry, { driver, surroundings, helper, launcher, signal: options.signal });
      try {
        try {
          return { helper: await start(), failed };
        } catch (error) {
          if (!isRefused(error)) throw error;
        }
        launcher.close();
        launcher = await openLauncher(directories);
        return { helper: await start(), failed };
      } catch (error) {
        options.signal?.throwIfAborted();
        const { message, hint } = error as VarveError;
        failed.push({ way: entry.description, reason: message, ...(hint === undefined ? {} : { remedy: hint }) });
      }
    }
  } finally {
    launcher.close();
  }
  return { failed };
}

interface HelperStart {
  readonly driver: SandboxDriver;
  readonly surroundings: HelperSurroundings;
  readonly helper: string;
  readonly launcher: Launcher;
  readonly signal: AbortSignal | undefined;
}

/** Whether the launcher was not executed, whatever its file system says: one in another directory may be. */
function isRefused(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).syscall?.startsWith("spawn") === true;
}

async function startIn(entry: SandboxEntry, start: HelperStart): Promise<HelperProcess> {
  const { directory, cacheMounts, streams, compiled } = start.surroundings;
  const launched = launch({
    command: [start.launcher.path],
    program: entry.program([process.execPath, start.helper, ...(compiled === undefined ? [] : [compiled])], [`PATH=${process.env["PATH"] ?? ""}`]),
    stdio: ["ignore", "ignore", "pipe"],
    // the channel; a step that gets the program's own streams finds them after it, and before them all waits who is given ids
    descriptors: ["pipe", ...streams, ...(entry.admit === undefined ? [] : ["pipe" as const])],
  });
  const { child, ended } = launched;
  // then there is nothing to talk to, and the end tells why
  if (child.pid === undefined) await ended;
  const words = lastWords(child);
  const over = ended.catch(() => undefined);
  const channel = createChannel((child.stdio as readonly unknown[])[CHANNEL] as Duplex);
  let isStopping = false;
  // a helper that is killed leaves what it ran to this process, where no namespace ends with it
  void channel.closed.then(async () => {
    // one that was told to stop ends what it ran itself; that it is told so once it is dead changes nothing
    if (isStopping) return;
    // what guards secrets must come first
    await sleep(GUARD_TIME);
    if (child.pid !== undefined) killDescendants(child.pid);
  });
  const stop = async (): Promise<LaunchEnd | undefined> => {
    isStopping = true;
    channel.close();
    return await over;
  };
  try {
    await admit(entry, launched, start.signal);
    const result = (await channel.call("open", { directory, cacheMounts, driver: start.driver.name } satisfies OpenParams, {
      signal: start.signal,
    })) as OpenResult;
    return { ...result, way: entry.description, channel, driver: start.driver, [Symbol.asyncDispose]: async () => void (await stop()) };
  } catch (error) {
    const failure = (await stop())?.report.failure;
    if (failure !== undefined) {
      throw new VarveError("SANDBOX_UNAVAILABLE", `cannot ${failure.label}: ${failure.code}`, { cause: error, hint: namespaceRemedy(namespacePolicy()) });
    }
    const said = words();
    throw said === "" ? error : new VarveError("SANDBOX_HELPER_FAILED", said, { cause: error, hint: entry.remedy });
  }
}

/** Lets a process go on that waits for its ids; one that gets none ends when the stream it waits on does. */
async function admit(entry: SandboxEntry, { child, made }: Launched, signal: AbortSignal | undefined): Promise<void> {
  if (entry.admit === undefined) return;
  const gate = (child.stdio as readonly unknown[])[ADMISSION] as Duplex;
  // it may be gone: the channel tells
  gate.on("error", () => {});
  try {
    const pid = await made;
    if (pid === undefined) return;
    await entry.admit(pid, signal);
    gate.write("1");
  } finally {
    gate.end();
  }
}

function lastWords(child: ChildProcess): () => string {
  let text = "";
  child.stderr?.setEncoding("utf8");
  child.stderr?.on("data", (chunk: string) => (text = (text + chunk).slice(-LAST_WORDS)));
  child.once("error", (error) => (text = error.message));
  return () => text.trim();
}

/** The helper's entry: beside the bundled program, in this package's own build, or bundled for tests of the source. */
function helperPath(): string {
  for (const relative of ["./helper.cjs", "./helper/main.js", "../../cli/dist/helper.cjs"]) {
    const path = fileURLToPath(new URL(relative, import.meta.url));
    if (existsSync(path)) return path;
  }
  throw new VarveError("SANDBOX_UNAVAILABLE", "the helper program is missing beside varve", { hint: "run npm run build" });
}
