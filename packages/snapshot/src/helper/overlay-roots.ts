import { chmodSync, chownSync, constants, existsSync, mkdirSync, openSync, renameSync, symlinkSync, unlinkSync, utimesSync } from "node:fs";
import type { BytePath, ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { createProgram, launcherArch, type Place, type SandboxDriver, runProgram } from "@varve/sandbox";
import { bytesOfHostPath, hostPath } from "../host-path.ts";
import { writeTree } from "../unpack/tree-writer.ts";
import type { MissingParams, MissingResult, UnpackParams } from "./helper-call.ts";
import { createUpper, mountOverlay, type OverlayFeatures } from "./overlay.ts";
import { createStepExtras } from "./step-extras.ts";
import type { StepRoots } from "./step-root.ts";
import { addStepPipes } from "./started-step.ts";
import { runStep } from "./step.ts";
import { walkUpper } from "./upper-walk.ts";
import { remove, type Workspace } from "./workspace.ts";

const AT_FDCWD = -100;
const S_IFCHR = 0o020000;

/** Roots that are overlays: a snapshot a layer, stacked below an empty directory that takes what the step changes. */
export function createOverlayRoots(workspace: Workspace, driver: SandboxDriver, place: Place, features: OverlayFeatures): StepRoots {
  const { launcher } = workspace;
  let serial = 0;
  const snapshotPath = (name: string): string => `${workspace.snapshots}/${checkedName(name)}`;

  /** Short names of snapshots in the directory of this helper's work, one for all steps. */
  const links = new Map<string, string>();
  const linkTo = (snapshot: string): string => {
    const known = links.get(snapshot);
    if (known !== undefined) return known;
    // the prefix keeps them apart from the other names there
    const link = `l${links.size.toString(36)}`;
    symlinkSync(snapshotPath(snapshot), `${workspace.work}/${link}`);
    links.set(snapshot, link);
    return link;
  };

  /** Directories of mount targets, by what the caller names them: nothing writes to what lies below an overlay, so many steps share one. */
  const stubLayers = new Map<string, string>();
  const stubLayer = async (name: string, input: ByteStream, signal: AbortSignal): Promise<string> => {
    const known = stubLayers.get(name);
    if (known !== undefined) return known;
    const made = `stubs-${serial++}`;
    mkdirSync(`${workspace.work}/${made}`, { mode: 0o700 });
    await writeTree(input, { directory: bytesOfHostPath(`${workspace.work}/${made}`), launcher, ids: place.ids, signal });
    stubLayers.set(name, made);
    return made;
  };

  const unpack = async (name: string, input: ByteStream, signal: AbortSignal): Promise<void> => {
    const directory = `${workspace.work}/unpack-${serial++}`;
    mkdirSync(directory, { mode: 0o700 });
    await writeTree(input, { directory: bytesOfHostPath(directory), launcher, ids: place.ids, signal });
    finish(directory, snapshotPath(name));
  };

  return {
    async prepare(params, stubs, signal) {
      const name = `step-${serial++}`;
      const directory = `${workspace.work}/${name}`;
      mkdirSync(directory, { mode: 0o700 });
      const stubbed = await stubLayer(params.stubs, stubs, signal);
      const upper = await createUpper(directory, features);
      const { root } = params;
      if (place.ids !== "one") chownSync(upper.path, root.uid, root.gid);
      chmodSync(upper.path, root.mode);
      utimesSync(upper.path, new Date(root.mtime * 1000), new Date(root.mtime * 1000));
      const lowers = [stubbed, ...params.snapshots.toReversed().map(linkTo)];
      const overlay = await mountOverlay(launcher, { work: workspace.work, name }, lowers, features, (program) => addStepPipes(program, directory));
      const extras = createStepExtras();
      const contents = bytesOfHostPath(upper.path);
      let sockets: BytePath[] | undefined;
      return {
        directory,
        contents,
        extras,
        run: async (process, io) => await runStep(process, { ...io, driver, place, root: overlay.merged, directory, hasPipes: true }),
        async *candidates(walkSignal) {
          const found: BytePath[] = [];
          yield* walkUpper({ upper: upper.path, merged: overlay.merged, onSocket: (path) => found.push(path), signal: walkSignal });
          sockets = found;
        },
        open: (path) => openSync(hostPath(`${contents}/${path}` as BytePath), READ_FLAGS),
        async keep(snapshot) {
          // what is in memory can't be moved to a disk; the layer is unpacked when a step wants it
          if (features.memory !== undefined) return;
          if (sockets === undefined) throw new VarveError("SNAPSHOT_READ_FAILED", "a step's changes are kept before they were listed");
          await overlay.unmount();
          for (const socket of sockets) await hide(launcher, `${contents}/${socket}` as BytePath);
          finish(upper.path, snapshotPath(snapshot));
        },
        async release() {
          await overlay.remove();
          await upper.dispose();
          await extras.dispose();
          // most often nothing is left
          if (existsSync(directory)) await remove(directory);
        },
      };
    },
    abandon: () => Promise.resolve(),
    async answer({ method, params, input, signal }) {
      if (method === "missing") return { names: (params as MissingParams).names.filter((name) => !existsSync(snapshotPath(name))) } satisfies MissingResult;
      if (method === "unpack") return await unpack((params as UnpackParams).name, input, signal);
      throw unknownCall(method);
    },
    dispose: () => Promise.resolve(),
  };
}

/** Read a file of a root that hostile programs wrote: no symlink is followed, no fifo waited for. */
export const READ_FLAGS: number = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** A snapshot's name, checked to be one. */
export function checkedName(name: string): string {
  if (!/^[0-9a-z-]+$/.test(name)) throw new VarveError("SNAPSHOT_APPLY_FAILED", `${JSON.stringify(name)} is no name of a snapshot`);
  return name;
}

/** What a call that nobody knows is answered with. */
export function unknownCall(method: string): VarveError {
  return new VarveError("SANDBOX_HELPER_FAILED", `the helper process does not know the call ${method}`);
}

function finish(directory: string, target: string): void {
  try {
    renameSync(directory, target);
  } catch (error) {
    // another process made the same one first: same name, same content
    if (!existsSync(target)) throw error;
  }
}

/** A socket is not in the layer, and neither is what it may have taken the place of. */
async function hide(launcher: string, path: BytePath): Promise<void> {
  unlinkSync(hostPath(path));
  const program = createProgram(launcherArch());
  program.call("hide a socket", "mknodat", AT_FDCWD, program.string(path), S_IFCHR, 0);
  const report = await runProgram(launcher, program.finish());
  if (report.failure !== undefined) throw new VarveError("SNAPSHOT_APPLY_FAILED", `cannot hide a socket: ${report.failure.code}`);
}
