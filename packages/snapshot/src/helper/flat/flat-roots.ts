import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, openSync, renameSync, unlinkSync, utimesSync } from "node:fs";
import { type BytePath, type ByteStream, ROOT } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { Place, SandboxDriver } from "@varve/sandbox";
import { bytesOfHostPath, hostPath } from "../../host-path.ts";
import { writeTree } from "../../unpack/tree-writer.ts";
import { readWriteEntries } from "../../unpack/write-entry.ts";
import type { ClaimParams, ClaimResult, FillParams, PrepareParams } from "../helper-call.ts";
import { checkedName, READ_FLAGS, unknownCall } from "../overlay-roots.ts";
import { createStepExtras } from "../step-extras.ts";
import type { StepRoot, StepRoots } from "../step-root.ts";
import { remove, type Workspace } from "../workspace.ts";
import { createCacheLoans, ROOT_NAME } from "./cache-loans.ts";
import { createFileRecord, type FileRecord } from "./file-record.ts";
import { walkFlat } from "./flat-walk.ts";
import { createPlacements } from "./placements.ts";
import { below } from "./real-path.ts";
import { keepNewest } from "./kept-roots.ts";
import { runFlatStep } from "./flat-step.ts";
import { createUnlocked } from "./unlocked.ts";

/** A root filesystem that a step has taken for itself. */
interface ClaimedRoot {
  readonly directory: string;
  readonly root: BytePath;
  /** The snapshot it is, while no step has run in it. */
  name: string | undefined;
  record: FileRecord | undefined;
}

/** What {@link createFlatRoots} works with. */
export interface FlatRootsOptions {
  readonly workspace: Workspace;
  readonly driver: SandboxDriver;
  readonly place: Place;
  readonly cacheMounts: string;
  /** Where steps' files are that are kept off the disk. */
  readonly memory?: string | undefined;
}

/**
 * Roots that are plain directories, where nothing can be mounted. A snapshot is a whole root filesystem; a step takes one away to work in,
 * and what it leaves becomes that of the layer written from it: a stage's steps run in one directory, which moves forward. What a step
 * died in stays in this helper's own work, and is swept with it.
 */
export function createFlatRoots({ workspace, driver, place, cacheMounts, memory }: FlatRootsOptions): StepRoots {
  const { launcher, work } = workspace;
  const { ids } = place;
  const claimed = new Map<string, ClaimedRoot>();
  /** Of snapshots of this build. One that another build changed meanwhile is older, and makes for more candidates. */
  const records = new Map<string, FileRecord>();
  let serial = 0;
  const snapshotPath = (name: string): string => `${workspace.snapshots}/${checkedName(name)}`;

  const claim = ({ step, names }: ClaimParams): ClaimResult => {
    const directory = `${work}/step-${serial++}`;
    mkdirSync(directory, { mode: 0o700 });
    const path = `${directory}/${ROOT_NAME}`;
    const index = names.findLastIndex((name) => takeAway(snapshotPath(name), path));
    if (index < 0) mkdirSync(path, { mode: 0o755 });
    const name = names[index];
    const record = name === undefined ? undefined : records.get(name);
    claimed.set(step, { directory, root: bytesOfHostPath(path), name, record });
    return { index };
  };
  const claimedBy = (step: string): ClaimedRoot => {
    const root = claimed.get(step);
    if (root === undefined) throw new VarveError("SNAPSHOT_APPLY_FAILED", `step ${step} has no root filesystem`);
    return root;
  };

  const fill = async ({ step, name }: FillParams, input: ByteStream, signal: AbortSignal): Promise<void> => {
    const claimedRoot = claimedBy(step);
    const { root, record } = claimedRoot;
    claimedRoot.name = undefined;
    const onWritten = record === undefined ? undefined : (path: BytePath): void => record.set(path, lstatSync(hostPath(below(root, path))));
    await writeTree(input, { directory: root, launcher, ids, signal, merge: true, ...(onWritten === undefined ? {} : { onWritten }) });
    claimedRoot.name = name;
  };

  /** Gives a root that is a snapshot back, and removes what is left of the step. */
  const giveBack = async ({ directory, root, name, record }: ClaimedRoot): Promise<void> => {
    if (name !== undefined && giveAs(hostPath(root), snapshotPath(name)) && record !== undefined) records.set(name, record);
    await remove(directory);
  };

  const prepare = async (params: PrepareParams, stubs: ByteStream): Promise<StepRoot> => {
    const own = claimedBy(params.step);
    claimed.delete(params.step);
    const { directory, root } = own;
    mkdirSync(`${directory}/aside`, { mode: 0o700 });
    const placements = createPlacements({ root, aside: bytesOfHostPath(`${directory}/aside`), ids, loans: createCacheLoans(directory, cacheMounts) });
    const unlocked = createUnlocked(root);
    const extras = createStepExtras();
    const sockets: BytePath[] = [];
    let state: "fresh" | "run" | "listed" | "spoilt" = "fresh";
    let after: FileRecord | undefined;
    let running: Promise<unknown> = Promise.resolve();
    try {
      const { uid, gid, mode, mtime } = params.root;
      if (ids !== "one") chownSync(hostPath(root), uid, gid);
      chmodSync(hostPath(root), mode);
      utimesSync(hostPath(root), new Date(mtime * 1000), new Date(mtime * 1000));
      own.record?.set(ROOT, lstatSync(hostPath(root)));
      for await (const { entry } of readWriteEntries(stubs)) placements.stub(entry);
    } catch (error) {
      placements.undo();
      await giveBack(own);
      throw error;
    }
    return {
      directory,
      contents: root,
      extras,
      async run(process, io) {
        own.name = undefined;
        state = "spoilt";
        own.record ??= createFileRecord();
        const isKnown = own.record.newest() > 0;
        const step = runFlatStep(process, io, { driver, place, directory, root, placements, unlocked, cacheMounts, memory, record: own.record, isKnown });
        running = step.catch(() => {});
        const end = await step;
        state = "run";
        return end;
      },
      async *candidates(signal) {
        if (state !== "run" && state !== "listed")
          throw new VarveError("SNAPSHOT_READ_FAILED", "the step did not end as it should, and its root filesystem is unknown");
        sockets.length = 0;
        after = createFileRecord();
        yield* walkFlat({ root, before: own.record ?? after, after, unlocked, spool: directory, onSocket: (path) => sockets.push(path), signal });
        state = "listed";
      },
      open(path) {
        const at = hostPath(below(root, path));
        unlocked.unlock(path, lstatSync(at), 0o400);
        return openSync(at, READ_FLAGS);
      },
      async keep(name) {
        if (state !== "listed" || after === undefined) throw new VarveError("SNAPSHOT_READ_FAILED", "a step's changes are kept before they were listed");
        for (const socket of sockets) unlinkSync(hostPath(below(root, socket)));
        unlocked.relock(after);
        own.record = after;
        own.name = `flat-${name}`;
        state = "spoilt";
        await Promise.resolve();
      },
      async release() {
        await running;
        if (state === "fresh") placements.undo();
        await giveBack(own);
        await extras.dispose();
      },
    };
  };

  return {
    prepare,
    async abandon(step) {
      const own = claimed.get(step);
      claimed.delete(step);
      if (own !== undefined) await giveBack(own);
    },
    async answer({ method, params, input, signal }) {
      if (method === "claim") return claim(params as ClaimParams);
      if (method === "fill") return await fill(params as FillParams, input, signal);
      throw unknownCall(method);
    },
    async dispose() {
      for (const own of claimed.values()) await giveBack(own);
      await keepNewest(workspace);
    },
  };
}

/** Only one can: others find it gone. */
function takeAway(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch {
    return false;
  }
}

/** Whether a root filesystem has become a snapshot; not when another step left the same. */
function giveAs(from: string | Buffer, to: string): boolean {
  if (existsSync(to)) return false;
  try {
    renameSync(from, to);
    return true;
  } catch {
    return false;
  }
}
