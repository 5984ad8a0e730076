import { createHash } from "node:crypto";
import { closeSync, createReadStream, mkdirSync, readSync } from "node:fs";
import type { BytePath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type Digest, digestFromHex } from "@varve/oci";
import { type Ids, readXattrs, type Xattrs } from "@varve/sandbox";
import type { IncomingCall } from "../channel/channel.ts";
import { bytesOfHostPath } from "../host-path.ts";
import { writeTree } from "../unpack/tree-writer.ts";
import type * as calls from "./helper-call.ts";
import { INHERITED } from "./helper-call.ts";
import type { ExtraMaker } from "./step-extras.ts";
import type { StepRoot, StepRoots } from "./step-root.ts";
import type { UpperEntry } from "./upper-entry.ts";
import type { Workspace } from "./workspace.ts";

/** What the helper process works on: snapshots and the steps that run on them. */
export interface Workbench {
  answer(call: IncomingCall): Promise<unknown>;
  dispose(): Promise<void>;
}

/** What a {@link Workbench} is made of. */
export interface WorkbenchParts {
  readonly workspace: Workspace;
  readonly roots: StepRoots;
  readonly extras: ExtraMaker;
  readonly ids: Ids;
}

/** Entries a listing sends at once. */
const BATCH = 1000;

/** Creates the workbench of an opened workspace. */
export function createWorkbench({ workspace, roots, extras, ids }: WorkbenchParts): Workbench {
  const steps = new Map<string, StepRoot>();
  /** Snapshots that steps of this build were or are being made, and each step's own. */
  const keeping = new Map<string, Promise<void>>();
  const kept = new Map<string, Promise<void>>();
  let serial = 0;

  const stepOf = (name: string): StepRoot => {
    const step = steps.get(name);
    if (step === undefined) throw new VarveError("SNAPSHOT_READ_FAILED", `the root filesystem of step ${name} is no longer there`);
    return step;
  };

  const copy = async (params: calls.CopyParams, call: IncomingCall): Promise<calls.PlaceResult> => {
    const directory = `${stepOf(params.step).directory}/x${serial++}`;
    mkdirSync(directory, { mode: 0o700 });
    await writeTree(call.input, { directory: bytesOfHostPath(directory), launcher: workspace.launcher, ids, signal: call.signal });
    return { path: bytesOfHostPath(params.file ? `${directory}/f` : directory) };
  };

  const prepare = async (params: calls.PrepareParams, call: IncomingCall): Promise<calls.PrepareResult> => {
    // what failed to be kept is not there
    for (const snapshot of params.snapshots) await keeping.get(snapshot);
    const step = await roots.prepare(params, call.input, call.signal);
    steps.set(params.step, step);
    const files = params.files.map((file) => extras.file(step.extras, file));
    return { files: files.map(({ path, inMemory }) => ({ path: bytesOfHostPath(path), inMemory })) };
  };

  const run = async ({ step, process, inherit, list: wanted }: calls.RunParams, { output, signal }: IncomingCall): Promise<calls.RunResult> => {
    const root = stepOf(step);
    const end = await root.run(process, { output, signal, ...(inherit ? { inherit: INHERITED } : {}) });
    if (!wanted || end.exitCode !== 0) return end;
    const listed = await listFew(workspace.launcher, root, signal);
    return listed === undefined ? end : { ...end, listed };
  };

  const list = async (call: IncomingCall, params: calls.ListParams): Promise<void> => {
    const step = stepOf(params.step);
    let batch: UpperEntry[] = [];
    const flush = async (): Promise<void> => {
      await call.output(0, Buffer.from(`${JSON.stringify(await withXattrs(workspace.launcher, step, batch))}\n`));
      batch = [];
    };
    for await (const entry of candidatesOf(step, call.signal)) {
      batch.push(entry);
      if (batch.length === BATCH) await flush();
    }
    if (batch.length > 0) await flush();
  };

  const read = async (call: IncomingCall, params: calls.ReadParams): Promise<void> => {
    const fd = stepOf(params.step).open(params.path);
    const file = createReadStream("", { fd, highWaterMark: 256 * 1024, signal: call.signal });
    for await (const chunk of file) await call.output(0, chunk as Uint8Array);
  };

  const release = async (name: string): Promise<void> => {
    const step = steps.get(name);
    if (step === undefined) return await roots.abandon(name);
    steps.delete(name);
    // whether it failed is told by the call that keeps
    await kept.get(name)?.catch(() => {});
    kept.delete(name);
    await step.release();
  };

  return {
    async answer(call) {
      const params = call.params;
      switch (call.method) {
        case "prepare":
          return await prepare(params as calls.PrepareParams, call);
        case "copy":
          return await copy(params as calls.CopyParams, call);
        case "cache": {
          const cache = params as calls.CacheParams;
          return { path: bytesOfHostPath(await extras.cache(stepOf(cache.step).extras, cache, call)) } satisfies calls.PlaceResult;
        }
        case "agent": {
          const agent = params as calls.AgentParams;
          return { path: bytesOfHostPath(await extras.agent(stepOf(agent.step).extras, agent)) } satisfies calls.PlaceResult;
        }
        case "run":
          return await run(params as calls.RunParams, call);
        case "list":
          return await list(call, params as calls.ListParams);
        case "read":
          return await read(call, params as calls.ReadParams);
        case "digest": {
          const { step, paths } = params as calls.DigestParams;
          return { digests: await digestFiles(stepOf(step), paths, call.signal) } satisfies calls.DigestResult;
        }
        case "keep": {
          const { step, name } = params as calls.KeepParams;
          const made = stepOf(step).keep(name);
          kept.set(step, made);
          keeping.set(name, made);
          return await made;
        }
        case "release":
          return await release((params as calls.ReleaseParams).step);
        default:
          return await roots.answer(call);
      }
    },
    async dispose() {
      for (const name of steps.keys()) await release(name);
      await roots.dispose();
      await extras.dispose();
      await workspace.dispose();
    },
  };
}

/** Programs that go down by relative names make what nobody can name. */
async function* candidatesOf(step: StepRoot, signal: AbortSignal): AsyncGenerator<UpperEntry, void, undefined> {
  try {
    yield* step.candidates(signal);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENAMETOOLONG") throw cause;
    throw new VarveError("SNAPSHOT_READ_FAILED", "the step made directories deeper than a path can be, which no layer can hold", { cause });
  }
}

/** Attributes of what was found are asked for at once. */
async function withXattrs(launcher: string, { contents }: StepRoot, batch: readonly UpperEntry[]): Promise<readonly UpperEntry[]> {
  const at = (path: BytePath): BytePath => `${contents}/${path}` as BytePath;
  const holders = batch.flatMap(({ path, type }) => (type === "file" || type === "directory" ? [{ path: at(path), type }] : []));
  const xattrs = await readXattrs(launcher, holders);
  return batch.map((entry) => {
    const found = xattrs.get(at(entry.path));
    return found === undefined ? entry : { ...entry, xattrs: inBase64(found) };
  });
}

/** What {@link listFew} gives at most: entries, and bytes of the contents of one. */
const [FEW, SHORT] = [64, 4096];

/** All candidates with their contents; `undefined` where there are many, which a listing of its own sends in turn. */
async function listFew(launcher: string, step: StepRoot, signal: AbortSignal): Promise<readonly calls.ListedEntry[] | undefined> {
  const found: UpperEntry[] = [];
  for await (const entry of candidatesOf(step, signal)) {
    if (found.length === FEW) return undefined;
    found.push(entry);
  }
  return (await withXattrs(launcher, step, found)).map((entry) => {
    const content = entry.type === "file" && entry.size > 0 && entry.size <= SHORT ? readShort(step, entry) : undefined;
    return content === undefined ? entry : { ...entry, content };
  });
}

function readShort(step: StepRoot, { path, size }: UpperEntry): string | undefined {
  const file = step.open(path);
  try {
    const bytes = Buffer.alloc(size + 1);
    const length = readSync(file, bytes);
    return length === size ? bytes.toString("base64", 0, size) : undefined;
  } finally {
    closeSync(file);
  }
}

function inBase64(xattrs: Xattrs): Readonly<Record<string, string>> {
  return Object.fromEntries([...xattrs].map(([name, value]) => [name, Buffer.from(value).toString("base64")]));
}

async function digestFiles(root: StepRoot, paths: readonly BytePath[], signal: AbortSignal): Promise<Digest[]> {
  const digests: Digest[] = [];
  const buffer = Buffer.alloc(256 * 1024);
  for (const path of paths) {
    signal.throwIfAborted();
    const hash = createHash("sha256");
    const file = root.open(path);
    try {
      for (let length = readSync(file, buffer); length > 0; length = readSync(file, buffer)) hash.update(buffer.subarray(0, length));
    } finally {
      closeSync(file);
    }
    digests.push(digestFromHex(hash.digest("hex")));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return digests;
}
