import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  createReadStream,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  utimesSync,
} from "node:fs";
import type { BytePath, ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { digestFromHex, type Digest } from "@varve/oci";
import { createProgram, launcherArch, type Place, readXattrs, type SandboxDriver, type Xattrs } from "@varve/sandbox";
import type { IncomingCall } from "../channel/channel.ts";
import { bytesOfHostPath, hostPath } from "../host-path.ts";
import { writeTree } from "../unpack/tree-writer.ts";
import type * as calls from "./helper-call.ts";
import { INHERITED } from "./helper-call.ts";
import { runProgram } from "./program-runner.ts";
import { createUpper, mountOverlay, type OverlayFeatures, type OverlayMount, type OverlayUpper } from "./overlay.ts";
import { createStepExtras, type ExtraMaker, type StepExtras } from "./step-extras.ts";
import { runStep } from "./step.ts";
import type { UpperEntry } from "./upper-entry.ts";
import { walkUpper } from "./upper-walk.ts";
import { remove, type Workspace } from "./workspace.ts";

interface PreparedStep {
  readonly directory: string;
  readonly upper: OverlayUpper;
  readonly overlay: OverlayMount;
  readonly extras: StepExtras;
  /** Known once the changes were listed. */
  sockets?: readonly BytePath[];
}

/** What the helper process works on: snapshots and the steps that run on them. */
export interface Workbench {
  answer(call: IncomingCall): Promise<unknown>;
  dispose(): Promise<void>;
}

/** Entries a listing sends at once. */
const BATCH = 1000;
const AT_FDCWD = -100;
const S_IFCHR = 0o020000;

/** Creates the workbench of an opened workspace. */
export function createWorkbench(workspace: Workspace, driver: SandboxDriver, place: Place, overlayFeatures: OverlayFeatures, extras: ExtraMaker): Workbench {
  const steps = new Map<string, PreparedStep>();
  let serial = 0;

  const stepOf = (name: string): PreparedStep => {
    const step = steps.get(name);
    if (step === undefined) throw new VarveError("SNAPSHOT_READ_FAILED", `the root filesystem of step ${name} is no longer there`);
    return step;
  };
  const snapshotPath = (name: string): string => {
    if (!/^[0-9a-z-]+$/.test(name)) throw new VarveError("SNAPSHOT_APPLY_FAILED", `${JSON.stringify(name)} is no name of a snapshot`);
    return `${workspace.snapshots}/${name}`;
  };
  const upperPath = (step: string, path: BytePath): BytePath => `${bytesOfHostPath(stepOf(step).upper.path)}/${path}` as BytePath;

  const unpack = async (name: string, input: ByteStream, signal: AbortSignal): Promise<void> => {
    const directory = `${workspace.work}/unpack-${serial++}`;
    mkdirSync(directory, { mode: 0o700 });
    await writeTree(input, { directory: bytesOfHostPath(directory), launcher: workspace.launcher, ids: place.ids, signal });
    finish(directory, snapshotPath(name));
  };
  const finish = (directory: string, target: string): void => {
    try {
      renameSync(directory, target);
    } catch (error) {
      // another process made the same one first: same name, same content
      if (!existsSync(target)) throw error;
    }
  };

  const prepare = async (params: calls.PrepareParams, input: ByteStream, signal: AbortSignal): Promise<void> => {
    const directory = `${workspace.work}/step-${serial++}`;
    mkdirSync(`${directory}/s`, { recursive: true, mode: 0o700 });
    await writeTree(input, { directory: bytesOfHostPath(`${directory}/s`), launcher: workspace.launcher, ids: place.ids, signal });
    const upper = await createUpper(directory, overlayFeatures);
    const { root } = params;
    if (place.ids !== "one") chownSync(upper.path, root.uid, root.gid);
    chmodSync(upper.path, root.mode);
    utimesSync(upper.path, new Date(root.mtime * 1000), new Date(root.mtime * 1000));
    const lowers = [`${directory}/s`, ...params.snapshots.toReversed().map(snapshotPath)];
    const overlay = await mountOverlay(workspace.launcher, directory, lowers, overlayFeatures);
    steps.set(params.step, { directory, upper, overlay, extras: createStepExtras() });
  };

  const copy = async (params: calls.CopyParams, input: ByteStream, signal: AbortSignal): Promise<calls.PlaceResult> => {
    const directory = `${stepOf(params.step).directory}/x${serial++}`;
    mkdirSync(directory, { mode: 0o700 });
    await writeTree(input, { directory: bytesOfHostPath(directory), launcher: workspace.launcher, ids: place.ids, signal });
    return { path: bytesOfHostPath(params.file ? `${directory}/f` : directory) };
  };

  const list = async (call: IncomingCall, params: calls.ListParams): Promise<void> => {
    const step = stepOf(params.step);
    const upper = step.upper.path;
    const sockets: BytePath[] = [];
    let batch: UpperEntry[] = [];
    const flush = async (): Promise<void> => {
      const root = bytesOfHostPath(upper);
      const holders = batch.flatMap(({ path, type }) => (type === "file" || type === "directory" ? [{ path: `${root}/${path}` as BytePath, type }] : []));
      const xattrs = await readXattrs(workspace.launcher, holders);
      const complete = batch.map((entry) => {
        const found = xattrs.get(`${root}/${entry.path}` as BytePath);
        return found === undefined ? entry : { ...entry, xattrs: inBase64(found) };
      });
      await call.output(0, Buffer.from(`${JSON.stringify(complete)}\n`));
      batch = [];
    };
    for await (const entry of walkUpper({ upper, merged: step.overlay.merged, onSocket: (path) => sockets.push(path), signal: call.signal })) {
      batch.push(entry);
      if (batch.length === BATCH) await flush();
    }
    if (batch.length > 0) await flush();
    step.sockets = sockets;
  };

  const read = async (call: IncomingCall, params: calls.ReadParams): Promise<void> => {
    const file = createReadStream(hostPath(upperPath(params.step, params.path)), {
      flags: READ_FLAGS as unknown as string,
      highWaterMark: 256 * 1024,
      signal: call.signal,
    });
    for await (const chunk of file) await call.output(0, chunk as Uint8Array);
  };

  const release = async (name: string): Promise<void> => {
    const step = steps.get(name);
    if (step === undefined) return;
    steps.delete(name);
    await step.overlay.unmount();
    await step.upper.dispose();
    await step.extras.dispose();
    await remove(step.directory);
  };

  return {
    async answer(call) {
      const params = call.params;
      switch (call.method) {
        case "missing":
          return { names: (params as calls.MissingParams).names.filter((name) => !existsSync(snapshotPath(name))) } satisfies calls.MissingResult;
        case "unpack": {
          const { name } = params as calls.UnpackParams;
          return await unpack(name, call.input, call.signal);
        }
        case "prepare":
          return await prepare(params as calls.PrepareParams, call.input, call.signal);
        case "copy":
          return await copy(params as calls.CopyParams, call.input, call.signal);
        case "file": {
          const file = params as calls.FileParams;
          return { path: bytesOfHostPath(extras.file(stepOf(file.step).extras, file)) } satisfies calls.PlaceResult;
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
          const { step, process, inherit: own } = params as calls.RunParams;
          return await runStep(process, {
            driver,
            place,
            overlay: stepOf(step).overlay,
            output: call.output,
            signal: call.signal,
            ...(own ? { inherit: INHERITED } : {}),
          });
        }
        case "list":
          return await list(call, params as calls.ListParams);
        case "read":
          return await read(call, params as calls.ReadParams);
        case "digest": {
          const { step, paths } = params as calls.DigestParams;
          return {
            digests: await digestFiles(
              paths.map((path) => upperPath(step, path)),
              call.signal,
            ),
          } satisfies calls.DigestResult;
        }
        case "keep": {
          const { step, name } = params as calls.KeepParams;
          return await keep(step, name);
        }
        case "release":
          return await release((params as calls.ReleaseParams).step);
        default:
          throw new VarveError("SANDBOX_HELPER_FAILED", `the helper process does not know the call ${call.method}`);
      }
    },
    async dispose() {
      for (const name of steps.keys()) await release(name);
      await extras.dispose();
      await workspace.dispose();
    },
  };

  async function keep(step: string, name: string): Promise<void> {
    // what is in memory can't be moved to a disk; the layer is unpacked when a step wants it
    if (overlayFeatures.memory !== undefined) return;
    const { overlay, upper, sockets } = stepOf(step);
    if (sockets === undefined) throw new VarveError("SNAPSHOT_READ_FAILED", "a step's changes are kept before they were listed");
    await overlay.unmount();
    for (const socket of sockets) await hide(`${bytesOfHostPath(upper.path)}/${socket}` as BytePath);
    finish(upper.path, snapshotPath(name));
  }

  /** A socket is not in the layer, and neither is what it may have taken the place of. */
  async function hide(path: BytePath): Promise<void> {
    unlinkSync(hostPath(path));
    const program = createProgram(launcherArch());
    program.call("hide a socket", "mknodat", AT_FDCWD, program.string(path), S_IFCHR, 0);
    const { report } = await runProgram(workspace.launcher, program.finish());
    if (report.failure !== undefined) throw new VarveError("SNAPSHOT_APPLY_FAILED", `cannot hide a socket: ${report.failure.code}`);
  }
}

function inBase64(xattrs: Xattrs): Readonly<Record<string, string>> {
  return Object.fromEntries([...xattrs].map(([name, value]) => [name, Buffer.from(value).toString("base64")]));
}

const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

async function digestFiles(paths: readonly BytePath[], signal: AbortSignal): Promise<Digest[]> {
  const digests: Digest[] = [];
  const buffer = Buffer.alloc(256 * 1024);
  for (const path of paths) {
    signal.throwIfAborted();
    const hash = createHash("sha256");
    const file = openSync(hostPath(path), READ_FLAGS);
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
