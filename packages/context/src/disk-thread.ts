import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { fillFiles, type FillOrder, type FillOutcome } from "./disk-fill.ts";

/** Starting a thread costs as much as reading some hundred files. */
const WORTH = 400;
/** Bytes that take as long to hash as a small file to read. */
const BYTES_A_FILE = 32 * 1024;

interface Waiting {
  readonly resolve: (outcome: FillOutcome) => void;
  readonly reject: (error: unknown) => void;
}

let done = 0;
let thread: { readonly worker: Worker; readonly waiting: Waiting[] } | undefined;

/**
 * {@link fillFiles}, on a thread of its own where the buffer is shared memory, once it is worth it, so that reading a context and hashing it share two cores.
 * The buffer must not be used meanwhile.
 */
export async function fillAside(bytes: Uint8Array, order: FillOrder): Promise<FillOutcome> {
  done += order.wanted.length + bytes.length / BYTES_A_FILE;
  if (!(bytes.buffer instanceof SharedArrayBuffer)) return fillFiles(bytes, order);
  if (done >= WORTH) thread ??= startThread();
  if (thread === undefined) return fillFiles(bytes, order);
  const { worker, waiting } = thread;
  return new Promise((resolve, reject) => {
    waiting.push({ resolve, reject });
    // an idle thread keeps no program from ending
    worker.ref();
    worker.postMessage({ bytes, order }, [order.states.buffer, order.offsets.buffer, order.wanted.buffer]);
  });
}

/** Starts the thread while something else goes on: much will be read. */
export function readyThread(): void {
  thread ??= startThread();
}

function startThread(): typeof thread {
  // compiled, beside this file; where packages run from their source there is none, and files are read on this thread
  const program = fileURLToPath(new URL("./disk-worker.js", import.meta.url));
  if (!existsSync(program)) return undefined;
  const worker = new Worker(program, { execArgv: [] });
  const waiting: Waiting[] = [];
  const fail = (error: unknown): void => {
    thread = undefined;
    for (const one of waiting.splice(0)) one.reject(error);
  };
  worker.on("message", (outcome: FillOutcome) => {
    waiting.shift()?.resolve(outcome);
    if (waiting.length === 0) worker.unref();
  });
  worker.on("error", fail);
  worker.on("exit", () => fail(new Error("the thread that reads files ended")));
  worker.unref();
  return { worker, waiting };
}
