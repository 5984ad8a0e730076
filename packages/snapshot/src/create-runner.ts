import { createHash, randomUUID } from "node:crypto";
import { type BytePath, type ByteStream, compareBytes, displayPath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { ContentReader, ContentRef, Entry } from "@varve/layer";
import { parseDigest, type IOOptions } from "@varve/oci";
import { LADDER, type MountPlace, type SandboxDriver, type SandboxMount } from "@varve/sandbox";
import { jsonLines, outputOf } from "./channel/output-stream.ts";
import { createFlatStacks } from "./flat-stack.ts";
import type * as calls from "./helper/helper-call.ts";
import type { UpperEntry } from "./helper/upper-entry.ts";
import { type HelperProcess, startHelper } from "./helper-process.ts";
import { bytesOfHostPath } from "./host-path.ts";
import { checkCommonNeeds } from "./common-needs.ts";
import { type PlacedMount, planMounts } from "./mount-plan.ts";
import { noteRung } from "./last-rung.ts";
import type { Runner, RunOutcome, RunStep } from "./runner.ts";
import { createSnapshotStacks, snapshotName, type SnapshotStacks } from "./snapshot-stack.ts";
import { type StepMount, stepMounts } from "./step-mounts.ts";
import { treeWriteStream } from "./unpack/tree-stream.ts";
import { findChanges } from "./upper-changes.ts";

/** What a runner works with. */
export interface RunnerOptions {
  /** `$VARVE_HOME/snapshots`: made when missing, 0700. */
  readonly snapshots: string;
  /** `$VARVE_HOME/cache/mounts`. */
  readonly cacheMounts: string;
  /** A rung by name; `auto` takes the strongest that works. */
  readonly sandbox: string;
  /** Takes no rung that leaves a step within reach of the host (default false). */
  readonly requireIsolation?: boolean;
  /** Descriptors of this process that a step with `inherit` or `terminal` gets (default 0, 1 and 2). */
  readonly streams?: readonly [number, number, number];
  /** `$VARVE_HOME/compiled`: what V8 compiled of the helper is taken from there and kept there. */
  readonly compiled?: string;
}

const DEFAULT_SHM_SIZE = 64 * 1024 * 1024;

interface Open {
  readonly helper: HelperProcess;
  readonly stacks: SnapshotStacks;
  /** What the first step's outcome tells, and no other's. */
  readonly news: string[];
  /** What is done with what steps leave, while others go on. */
  readonly leaving: Set<Promise<void>>;
  /** Names of what the helper has of the mount targets of steps. */
  readonly stubs: Set<string>;
}

/** Creates a {@link Runner}. Nothing is started or written before the first call. */
export function createRunner(options: RunnerOptions): Runner {
  return createRunnerWith(LADDER, options);
}

/** As {@link createRunner}, with a ladder of its own: strongest first. */
export function createRunnerWith(drivers: readonly SandboxDriver[], options: RunnerOptions): Runner {
  let opening: Promise<Open> | undefined;
  let closing: Promise<unknown> | undefined;
  const open = (io: IOOptions): Promise<Open> => {
    // one that could not be started is tried again by the next call, which may have another signal
    opening ??= start(drivers, options, io).catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };
  return {
    async rung(io = {}) {
      return (await open(io)).helper.driver.name;
    },
    async run(step) {
      return await runOn(await open(step), step);
    },
    async [Symbol.asyncDispose]() {
      // whoever ends it a second time waits for the first
      closing = Promise.all([closing, endOpened(opening)]);
      opening = undefined;
      await closing;
    },
  };
}

async function endOpened(opening: Promise<Open> | undefined): Promise<void> {
  const opened = await opening?.catch(() => undefined);
  if (opened !== undefined) await Promise.all(opened.leaving);
  await opened?.helper[Symbol.asyncDispose]();
}

async function start(drivers: readonly SandboxDriver[], options: RunnerOptions, io: IOOptions): Promise<Open> {
  checkCommonNeeds(options.snapshots);
  const failures: VarveError[] = [];
  for (const driver of wantedDrivers(drivers, options)) {
    try {
      const { snapshots: directory, cacheMounts, streams = [0, 1, 2], compiled } = options;
      const helper = await startHelper(driver, { directory, cacheMounts, streams, compiled }, io);
      const { channel, whiteouts } = helper;
      const stacks = driver.snapshot === "flat" ? createFlatStacks(channel) : createSnapshotStacks(channel, { whiteouts });
      const weaker = noteRung(options.snapshots, drivers, driver.name);
      return { helper, stacks, news: weaker === undefined ? [] : [weaker], leaving: new Set(), stubs: new Set() };
    } catch (error) {
      if (!(error instanceof VarveError)) throw error;
      io.signal?.throwIfAborted();
      failures.push(error);
    }
  }
  const [only] = failures;
  if (failures.length === 1 && only !== undefined) throw only;
  throw new VarveError("SANDBOX_UNAVAILABLE", "no sandbox works here", {
    details: failures.flatMap((error) => [error.message, ...error.details]),
    hint: "varve doctor tells what would make one work",
  });
}

function wantedDrivers(drivers: readonly SandboxDriver[], { sandbox, requireIsolation = false }: RunnerOptions): readonly SandboxDriver[] {
  const named = sandbox === "auto" ? drivers : drivers.filter((driver) => driver.name === sandbox);
  if (named.length === 0) {
    throw new VarveError("SANDBOX_UNAVAILABLE", `there is no sandbox ${JSON.stringify(sandbox)}`, {
      hint: `one of auto, ${drivers.map((driver) => driver.name).join(", ")}`,
    });
  }
  const fit = sandbox === "auto" ? named.filter((driver) => driver.passedOver?.() === undefined) : named;
  const wanted = requireIsolation ? fit.filter((driver) => driver.isolation === "namespaces") : fit;
  if (wanted.length === 0) {
    throw new VarveError("SANDBOX_NOT_ISOLATED", `the sandbox ${sandbox} does not isolate a step from the host, which is required`, {
      hint: `without --require-isolation, or in one of ${drivers.flatMap((driver) => (driver.isolation === "namespaces" ? [driver.name] : [])).join(", ")}`,
    });
  }
  return wanted;
}

async function runOn(open: Open, step: RunStep): Promise<RunOutcome> {
  const { helper, stacks, news, leaving } = open;
  const { channel } = helper;
  const signal = step.signal;
  const name = randomUUID();
  const root = step.tree.lookup("" as BytePath);
  const shown = { ...step, mounts: mountsFor(helper.driver, step.mounts) };
  const plan = planMounts(step.tree, stepMounts(shown, helper.ids));
  const { mode = 0o755, uid = 0, gid = 0, mtime = 0 } = root ?? {};
  const release = async (): Promise<void> => {
    // a helper that is gone has taken the step with it
    await channel.call("release", { step: name } satisfies calls.ReleaseParams).catch(() => {});
  };
  try {
    const snapshots = await stacks.prepare({ step: name, layers: step.layers, tree: step.tree }, { signal });
    const losses = new Set<string>();
    const tell = (loss: string): void => void losses.add(loss);
    const files = plan.mounts.flatMap((mount) => (mount.shape.source.kind === "file" ? [{ mount, source: mount.shape.source }] : []));
    const stubs = nameOf(plan.stubs);
    const params = { step: name, snapshots, stubs, root: { mode, uid, gid, mtime }, files: files.map(({ source }) => fileOf(source)) };
    const prepared = (await channel.call("prepare", params satisfies calls.PrepareParams, {
      ...(helper.driver.snapshot === "overlay" && open.stubs.has(stubs) ? {} : { input: treeWriteStream(plan.stubs, undefined) }),
      signal,
    })) as calls.PrepareResult;
    open.stubs.add(stubs);
    const brought = new Map<PlacedMount<StepMount>, SandboxMount>();
    for (const [i, { mount, source }] of files.entries()) {
      const file = prepared.files[i];
      if (file === undefined) continue;
      brought.set(mount, { ...placeOf(mount), kind: "bind", source: file.path, readonly: source.readonly });
      // of those that every step gets nothing is secret
      if (source.readonly && !file.inMemory) tell(SECRET_ON_DISK);
    }
    for (const mount of cachesInOrder(plan.mounts.filter((one) => !brought.has(one)))) brought.set(mount, await bring(helper, name, { mount, signal }));
    const mounts = plan.mounts.flatMap((mount) => brought.get(mount) ?? []);
    const end = (await channel.call(
      "run",
      { step: name, process: processOf(step, mounts), inherit: step.stdio !== "capture", list: helper.driver.snapshot === "overlay" } satisfies calls.RunParams,
      {
        signal,
        onOutput: (stream, chunk) => step.onOutput?.(stream === 2 ? "stderr" : "stdout", chunk),
      },
    )) as calls.RunResult;
    const leaveBehind = (left: Promise<void>): void => {
      leaving.add(left);
      void left.then(() => leaving.delete(left));
    };
    const leave = async (): Promise<void> => {
      const left = release();
      // where the next step goes on in the same directory, it must have been given back
      if (helper.driver.snapshot === "flat") return await left;
      leaveBehind(left);
    };
    const keep = async (snapshot: string): Promise<void> => {
      const kept = channel.call("keep", { step: name, name: snapshot } satisfies calls.KeepParams).then(() => {});
      if (!helper.keeps) return await kept;
      // the step on top waits for it, and hears of it if it failed
      stacks.made(snapshot);
      leaveBehind(kept.catch(() => {}));
    };
    return outcomeOf(helper, step, { name, end, keep, release: leave, losses: [...news.splice(0), ...helper.losses, ...losses, ...(end.losses ?? [])] });
  } catch (error) {
    await release();
    throw error;
  }
}

/** Caches by their ids, then the others: steps that each wait for a cache the other has would wait for ever. */
function cachesInOrder(mounts: readonly PlacedMount<StepMount>[]): readonly PlacedMount<StepMount>[] {
  const idOf = ({ shape: { source } }: PlacedMount<StepMount>): string | undefined => (source.kind === "cache" ? source.mount.id : undefined);
  const caches = mounts.filter((mount) => idOf(mount) !== undefined);
  return [...caches.toSorted((a, b) => compareBytes(idOf(a) ?? "", idOf(b) ?? "")), ...mounts.filter((mount) => idOf(mount) === undefined)];
}

const CONSOLE = "/dev/console";

/** Where mounts are moved into the root and out again, nothing of the host may be one of them; a terminal works without its name. */
function mountsFor(driver: SandboxDriver, mounts: RunStep["mounts"]): RunStep["mounts"] {
  if (driver.placed !== true) return mounts;
  return mounts.filter((mount) => {
    if (mount.kind !== "host") return true;
    if (mount.target === CONSOLE) return false;
    throw new VarveError("SANDBOX_UNSUPPORTED", `nothing of this machine can be shown at ${mount.target} by the sandbox ${driver.name}`, {
      hint: "copy it into the image, or use a sandbox that can mount, or proot",
    });
  });
}

function processOf(step: RunStep, mounts: readonly SandboxMount[]): calls.RunParams["process"] {
  const { args, env, cwd, user, insecure, hostname, ulimits } = step;
  return {
    args,
    env,
    cwd,
    user,
    insecure,
    hostname,
    ulimits,
    mounts,
    terminal: step.stdio === "terminal",
    network: step.network === "none" ? "none" : "host",
    shmSize: step.shmSize ?? DEFAULT_SHM_SIZE,
  };
}

interface BringOptions {
  readonly mount: PlacedMount<StepMount>;
  readonly signal: AbortSignal | undefined;
}

const SECRET_ON_DISK =
  "secrets are files on the disk while the step runs, and, if all is killed at once (a whole container), until the next build with this store";

/** Brings what a mount other than a small file shows into the helper; gives the mount as the sandbox takes it. */
async function bring({ channel }: HelperProcess, step: string, { mount, signal }: BringOptions): Promise<SandboxMount> {
  const { source, type } = mount.shape;
  const place = placeOf(mount);
  const ask = async (method: string, params: unknown, input?: ByteStream): Promise<BytePath> =>
    ((await channel.call(method, params, { signal, input: input ?? nothing() })) as calls.PlaceResult).path;
  switch (source.kind) {
    case "tmpfs":
      return { ...place, kind: "tmpfs", ...(source.size === undefined ? {} : { size: source.size }) };
    case "host":
      return { ...place, kind: "bind", source: bytesOfHostPath(source.path), readonly: source.readonly };
    case "copy": {
      const [only] = type === "file" ? source.entries() : [];
      const entries = only === undefined ? source.entries() : [{ ...only, path: FILE }];
      const path = await ask("copy", { step, file: only !== undefined } satisfies calls.CopyParams, treeWriteStream(entries, source.reader, { signal }));
      return { ...place, kind: "bind", source: path, readonly: source.readonly };
    }
    case "file":
      throw new TypeError("files are made with the root filesystem");
    case "cache": {
      const { id, sharing, mode, uid, gid } = source.mount;
      const input = source.entries === undefined ? undefined : treeWriteStream(source.entries(), source.reader, { signal });
      const path = await ask("cache", { step, id, sharing, mode, uid, gid, filled: input !== undefined } satisfies calls.CacheParams, input);
      return { ...place, kind: "bind", source: path, readonly: source.mount.readonly };
    }
    case "ssh": {
      const { agentSocket, mode, uid, gid } = source.mount;
      const path = await ask("agent", { step, agentSocket, mode, uid, gid } satisfies calls.AgentParams);
      return { ...place, kind: "bind", source: path, readonly: false };
    }
  }
}

function placeOf({ target, make, shape }: PlacedMount<StepMount>): MountPlace {
  return { target, type: shape.type, make };
}

function fileOf({ mode, uid, gid, content }: StepMount["source"] & { readonly kind: "file" }): calls.FileParams {
  return { mode, uid, gid, content: Buffer.from(content).toString("base64") };
}

/** Names mount targets, which are directories and empty files, by all that is written of them. */
function nameOf(stubs: readonly Entry[]): string {
  const outlines = stubs.map(({ path, type, mode, uid, gid, mtime, xattrs }) => {
    const values = [...(xattrs ?? [])].map(([attribute, value]) => [attribute, Buffer.from(value).toString("base64")]);
    return [path, type, mode, uid, gid, mtime, values];
  });
  return createHash("sha256").update(JSON.stringify(outlines)).digest("hex");
}

const FILE = "f" as BytePath;

async function* bytesOf(content: string): AsyncGenerator<Uint8Array, void, undefined> {
  yield Buffer.from(content, "base64");
}

async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {}

function outcomeOf(
  helper: HelperProcess,
  step: RunStep,
  {
    name,
    end,
    keep,
    release,
    losses,
  }: {
    readonly name: string;
    readonly end: calls.RunResult;
    readonly keep: (snapshot: string) => Promise<void>;
    readonly release: () => Promise<void>;
    readonly losses: readonly string[];
  },
): RunOutcome {
  const { channel } = helper;
  const told = [...losses];
  let { listed } = end;
  const contents = new Map(listed?.flatMap(({ path, content }) => (content === undefined ? [] : [[path, content] as const])));
  const digests = async (paths: readonly BytePath[], options: IOOptions): Promise<calls.DigestResult["digests"]> => {
    const result = (await channel.call("digest", { step: name, paths } satisfies calls.DigestParams, { signal: options.signal })) as calls.DigestResult;
    return result.digests.map((digest) => parseDigest(digest));
  };
  const reader: ContentReader = {
    async open(ref, options = {}) {
      const path = pathOf(ref, name);
      const known = contents.get(path);
      const stream = known === undefined ? outputOf(channel, "read", { step: name, path } satisfies calls.ReadParams, options.signal) : bytesOf(known);
      return sized(stream, ref);
    },
    async digest(ref, options = {}) {
      const [digest] = await digests([pathOf(ref, name)], options);
      if (digest === undefined) throw new VarveError("SNAPSHOT_READ_FAILED", "the helper gave no digest");
      return digest;
    },
  };
  return {
    exitCode: end.exitCode,
    ...(end.signal === undefined ? {} : { signal: end.signal }),
    losses: told,
    reader,
    changes: async (options = {}) => {
      const setId: BytePath[] = [];
      const asked = (): AsyncIterable<UpperEntry[]> =>
        jsonLines(outputOf(channel, "list", { step: name } satisfies calls.ListParams, options.signal)) as AsyncIterable<UpperEntry[]>;
      const changes = await findChanges(listed === undefined ? asked() : [listed], {
        tree: step.tree,
        treeReader: step.treeReader,
        snapshot: name,
        signal: options.signal,
        digests: (paths) => digests(paths, options),
        devices: helper.ids === "real",
        ...(helper.ids === "one" ? { owner: step.user, onSetId: (path) => setId.push(path) } : {}),
      });
      if (setId.length > 0) told.push(setIdLoss(setId, step.user));
      return changes;
    },
    keep: async (diffID) => await keep(snapshotName([...step.layers.map((layer) => layer.diffID), diffID])),
    async [Symbol.asyncDispose]() {
      listed = undefined;
      contents.clear();
      await release();
    },
  };
}

const NAMED_AT_MOST = 8;

/** Of calls that give files away nothing is known but that they succeeded. */
function setIdLoss(paths: readonly BytePath[], { uid, gid }: RunStep["user"]): string {
  const named = paths.slice(0, NAMED_AT_MOST).map((path) => `/${displayPath(path)}`);
  const more = paths.length > named.length ? ` and ${paths.length - named.length} more` : "";
  return `set-id programs act for ${uid}:${gid}, and grant more than was asked if that was another owner's: ${named.join(" ")}${more}`;
}

function pathOf(ref: ContentRef, snapshot: string): BytePath {
  if (ref.kind !== "snapshot" || ref.snapshot !== snapshot)
    throw new VarveError("SNAPSHOT_READ_FAILED", `a ${ref.kind} content is not in the root filesystem of this step`);
  return ref.path;
}

/** Exactly the size that was listed: a file that changed since is an error. */
async function* sized(stream: ByteStream, ref: ContentRef): AsyncGenerator<Uint8Array, void, undefined> {
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > ref.size) break;
    yield chunk;
  }
  if (size !== ref.size) throw new VarveError("SNAPSHOT_READ_FAILED", `a changed file has ${size} bytes and had ${ref.size} when it was listed`);
}
