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

  const list = async (call: IncomingCall, params: calls.ListParams): Promise<void> => {
    const step = stepOf(params.step);
    let batch: UpperEntry[] = [];
    const flush = async (): Promise<void> => {
      const at = (path: BytePath): BytePath => `${step.contents}/${path}` as BytePath;
      const holders = batch.flatMap(({ path, type }) => (type === "file" || type === "directory" ? [{ path: at(path), type }] : []));
      const xattrs = await readXattrs(workspace.launcher, holders);
      const complete = batch.map((entry) => {
        const found = xattrs.get(at(entry.path));
        return found === undefined ? entry : { ...entry, xattrs: inBase64(found) };
      });
      await call.output(0, Buffer.from(`${JSON.stringify(complete)}\n`));
      batch = [];
    };
    for await (const entry of step.candidates(call.signal)) {
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
    await step.release();
  };

  return {
    async answer(call) {
      const params = call.params;
      switch (call.method) {
        case "prepare": {
          const prepared = params as calls.PrepareParams;
          steps.set(prepared.step, await roots.prepare(prepared, call.input, call.signal));
          return undefined;
        }
        case "copy":
          return await copy(params as calls.CopyParams, call);
        case "file": {
          const file = params as calls.FileParams;
          const { path, inMemory } = extras.file(stepOf(file.step).extras, file);
          return { path: bytesOfHostPath(path), inMemory } satisfies calls.FileResult;
        }
        case "cache": {
          const cache = params as calls.CacheParams;
          return { path: bytesOfHostPath(await extras.cache(stepOf(cache.step).extras, cache, call)) } satisfies calls.PlaceResult;
        }
        case "agent": {
          const agent = params as calls.AgentParams;
          return { path: bytesOfHostPath(await extras.agent(stepOf(agent.step).extras, agent)) } satisfies calls.PlaceResult;
        }
        case "run": {
          const { step, process, inherit } = params as calls.RunParams;
          return await stepOf(step).run(process, { output: call.output, signal: call.signal, ...(inherit ? { inherit: INHERITED } : {}) });
        }
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
          return await stepOf(step).keep(name);
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
