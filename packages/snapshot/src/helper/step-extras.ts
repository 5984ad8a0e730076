import { createHash } from "node:crypto";
import { chmodSync, closeSync, constants, existsSync, lchownSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { VarveError } from "@varve/errors";
import { createProgram, type Ids, launch, launcherArch, runProgram } from "@varve/sandbox";
import type { IncomingCall } from "../channel/channel.ts";
import { bytesOfHostPath } from "../host-path.ts";
import { writeTree } from "../unpack/tree-writer.ts";
import type { AgentParams, CacheParams, FileParams } from "./helper-call.ts";
import { isInMemory } from "./memory-directory.ts";
import type { Workspace } from "./workspace.ts";

/** What was made for one step's mounts and must go with it. */
export interface StepExtras {
  /** Host paths of the caches it has, by id: one that a step mounts twice is one, as in BuildKit. */
  readonly caches: Map<string, string>;
  add(undo: () => void | Promise<void>): void;
  dispose(): Promise<void>;
}

/** Creates an empty {@link StepExtras}. */
export function createStepExtras(): StepExtras {
  const undos: (() => void | Promise<void>)[] = [];
  return {
    caches: new Map(),
    add: (undo) => void undos.push(undo),
    async dispose() {
      for (const undo of undos.splice(0).toReversed()) await undo();
    },
  };
}

/** Makes what steps mount beside trees; gives host paths. */
export interface ExtraMaker {
  /** `inMemory`: nothing of it reaches a disk. */
  file(extras: StepExtras, params: FileParams): { readonly path: string; readonly inMemory: boolean };
  cache(extras: StepExtras, params: CacheParams, call: IncomingCall): Promise<string>;
  agent(extras: StepExtras, params: AgentParams): Promise<string>;
  dispose(): Promise<void>;
}

/** Where an {@link ExtraMaker} works. */
export interface ExtraPlaces {
  readonly workspace: Workspace;
  readonly cacheMounts: string;
  readonly ids: Ids;
  /** Something can be mounted here. */
  readonly mounts: boolean;
  /** A cache is moved into the one root that shows it: it is never shared. */
  readonly placed?: boolean;
  /** Host path of a directory in memory that steps can be shown files of, where nothing can be mounted; without one files are on disk. */
  readonly memory?: string | undefined;
}

const [LOCK_SHARED, LOCK_EXCLUSIVE, LOCK_NOW] = [1, 2, 4];
const MS_NOSUID_NODEV = 6;
const MNT_DETACH = 2;

/** Mounts the memory that files of steps are kept in, in this mount namespace only: a secret is on no disk, and gone with this process. */
async function mountExtraMemory({ launcher }: Pick<Workspace, "launcher">, directory: string): Promise<void> {
  const program = createProgram(launcherArch());
  program.call(
    "mount memory for secrets",
    "mount",
    program.string("tmpfs"),
    program.string(bytesOfHostPath(directory)),
    program.string("tmpfs"),
    MS_NOSUID_NODEV,
    program.string("mode=700"),
  );
  const report = await runProgram(launcher, program.finish());
  if (report.failure !== undefined) throw new VarveError("SANDBOX_UNAVAILABLE", `cannot ${report.failure.label}: ${report.failure.code}`);
}

/** Makes the extras of a workspace's steps. */
export async function createExtraMaker(places: ExtraPlaces): Promise<ExtraMaker> {
  const { workspace, ids } = places;
  const files = `${workspace.work}/memory`;
  mkdirSync(files, { mode: 0o700 });
  if (places.mounts) await mountExtraMemory(workspace, files);
  const filesInMemory = isInMemory(files);
  // memory that others have made for all may refuse to have programs executed
  const memoryFor = ({ mode }: FileParams): string | undefined => ((mode & 0o111) === 0 ? places.memory : undefined);
  let serial = 0;
  const own = (path: string, { uid, gid, mode }: { readonly uid: number; readonly gid: number; readonly mode: number }): void => {
    if (ids !== "one") lchownSync(path, uid, gid);
    chmodSync(path, mode);
  };

  return {
    file(extras, params) {
      const memory = memoryFor(params);
      const path = `${memory ?? files}/${serial++}`;
      writeFileSync(path, Buffer.from(params.content, "base64"), { flag: "wx", mode: 0o600 });
      own(path, params);
      extras.add(() => rmSync(path, { force: true }));
      return { path, inMemory: memory !== undefined || filesInMemory };
    },
    async cache(extras, params, call) {
      const known = extras.caches.get(params.id);
      if (known !== undefined && places.placed !== true) return known;
      if (known !== undefined && params.sharing !== "private") {
        throw new VarveError("SANDBOX_UNSUPPORTED", `the cache ${JSON.stringify(params.id)} cannot be at two places of a step where nothing can be mounted`, {
          hint: "mount it once, or use a sandbox that can mount, or proot",
        });
      }
      const directory = `${places.cacheMounts}/${createHash("sha256").update(params.id).digest("hex")}`;
      const sharing = places.placed === true && params.sharing === "shared" ? "locked" : params.sharing;
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      const number = await lockCache(workspace.launcher, directory, sharing, call.signal, extras);
      const path = `${directory}/${number}`;
      if (!existsSync(path)) {
        const fresh = `${workspace.work}/cache-${serial++}`;
        mkdirSync(fresh, { mode: 0o700 });
        if (params.filled) await writeTree(call.input, { directory: bytesOfHostPath(fresh), launcher: workspace.launcher, ids, signal: call.signal });
        else own(fresh, params);
        renameIfMissing(fresh, path);
      }
      extras.caches.set(params.id, path);
      return path;
    },
    async agent(extras, params) {
      // a socket's path ends at 107 bytes; by a descriptor of its directory it is short wherever that is
      const directory = `${files}/${serial++}`;
      mkdirSync(directory, { mode: 0o711 });
      const handle = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
      const server = createServer((client) => {
        const agent = connect(params.agentSocket);
        client.pipe(agent).pipe(client);
        for (const [one, other] of [
          [client, agent],
          [agent, client],
        ] as const)
          one.on("error", () => other.destroy()).on("close", () => other.destroy());
      });
      await new Promise<void>((resolve, reject) => server.once("error", reject).listen(`/proc/self/fd/${handle}/s`, resolve));
      own(`${directory}/s`, params);
      extras.add(() => {
        server.close();
        closeSync(handle);
      });
      return `${directory}/s`;
    },
    async dispose() {
      if (!places.mounts) return;
      const off = createProgram(launcherArch());
      off.call("unmount", "umount2", off.string(bytesOfHostPath(files)), MNT_DETACH);
      await runProgram(workspace.launcher, off.finish());
    },
  };
}

function renameIfMissing(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    // a step that shares the cache made it at the same moment
    if (!existsSync(to)) throw error;
  }
}

/** Locks one of a cache's directories and gives its number: for `shared` and `locked` the first, for `private` the first that is free. */
async function lockCache(launcher: string, directory: string, sharing: CacheParams["sharing"], signal: AbortSignal, extras: StepExtras): Promise<number> {
  for (let number = 0; ; number++) {
    const file = openSync(`${directory}/${number}.lock`, constants.O_CREAT | constants.O_RDWR, 0o600);
    const mode = sharing === "shared" ? LOCK_SHARED : sharing === "locked" ? LOCK_EXCLUSIVE : LOCK_EXCLUSIVE | LOCK_NOW;
    const locked = await lock(launcher, file, mode ?? LOCK_EXCLUSIVE, signal);
    if (locked) {
      extras.add(() => closeSync(file));
      return number;
    }
    closeSync(file);
    signal.throwIfAborted();
    if (sharing !== "private") throw new VarveError("SANDBOX_SETUP_FAILED", "a cache mount cannot be locked");
  }
}

/** flock(2) on an open file, by a launcher that shares it; waiting for it blocks only the launcher. */
async function lock(launcher: string, file: number, mode: number, signal: AbortSignal): Promise<boolean> {
  const program = createProgram(launcherArch());
  program.call("lock", "flock", 5, mode);
  const launched = launch({ command: [launcher], program: program.finish(), stdio: ["ignore", "ignore", "ignore"], descriptors: [file] });
  const stop = (): void => void launched.child.kill("SIGKILL");
  signal.addEventListener("abort", stop, { once: true });
  try {
    const { exitCode } = await launched.ended;
    return exitCode === 0;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
