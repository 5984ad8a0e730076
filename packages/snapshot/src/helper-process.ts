import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { VarveError } from "@varve/errors";
import type { IOOptions } from "@varve/oci";
import type { SandboxDriver, SandboxEntry } from "@varve/sandbox";
import { type Channel, createChannel } from "./channel/channel.ts";
import type { OpenParams, OpenResult } from "./helper/helper-call.ts";

/** The helper process, inside the namespaces of a rung. */
export interface HelperProcess extends AsyncDisposable {
  readonly channel: Channel;
  readonly driver: SandboxDriver;
  /** What this rung cannot do here, one sentence each. */
  readonly losses: readonly string[];
  readonly ids: "real" | "one";
}

/** Host paths a helper works in; made when missing. */
export interface HelperDirectories {
  readonly directory: string;
  readonly cacheMounts: string;
}

/** Bytes kept of what a helper says on stderr before it dies. */
const LAST_WORDS = 4096;

/** Starts a helper by the first of the driver's ways that works; SANDBOX_UNAVAILABLE tells why each does not. */
export async function startHelper(driver: SandboxDriver, directories: HelperDirectories, options: IOOptions = {}): Promise<HelperProcess> {
  const program = [process.execPath, helperPath()];
  const reasons: string[] = [];
  for (const entry of driver.entries()) {
    options.signal?.throwIfAborted();
    try {
      return await startIn(entry, { driver, directories, program, signal: options.signal });
    } catch (error) {
      options.signal?.throwIfAborted();
      reasons.push(`${entry.description}: ${(error as Error).message}`);
    }
  }
  throw new VarveError("SANDBOX_UNAVAILABLE", `the sandbox ${driver.name} does not work here`, {
    details: reasons,
    hint: "run as root with CAP_SYS_ADMIN, or where unprivileged user namespaces are allowed",
  });
}

async function startIn(
  entry: SandboxEntry,
  start: {
    readonly driver: SandboxDriver;
    readonly directories: HelperDirectories;
    readonly program: readonly string[];
    readonly signal: AbortSignal | undefined;
  },
): Promise<HelperProcess> {
  const [file = "", ...args] = entry.command(start.program);
  const child = spawn(file, args, {
    // 3 is the channel; a step that gets the program's own streams finds them at 4, 5 and 6
    stdio: ["ignore", "ignore", "pipe", "pipe", 0, 1, 2],
    env: { PATH: process.env["PATH"] ?? "" },
    cwd: "/",
  });
  const words = lastWords(child);
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("exit", () => resolve());
  });
  const channel = createChannel(child.stdio[3] as Duplex);
  const stop = async (): Promise<void> => {
    channel.close();
    await ended;
  };
  try {
    const result = (await channel.call("open", { ...start.directories, driver: start.driver.name } satisfies OpenParams, {
      signal: start.signal,
    })) as OpenResult;
    return { channel, driver: start.driver, losses: result.losses, ids: result.ids, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    const said = words();
    throw said === "" ? error : new VarveError("SANDBOX_HELPER_FAILED", said, { cause: error });
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
  for (const relative of ["./helper.js", "./helper/main.js", "../../cli/dist/helper.js"]) {
    const path = fileURLToPath(new URL(relative, import.meta.url));
    if (existsSync(path)) return path;
  }
  throw new VarveError("SANDBOX_UNAVAILABLE", "the helper program is missing beside varve", { hint: "run npm run build" });
}
