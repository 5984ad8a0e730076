import { mkdirSync, symlinkSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { VarveError } from "@varve/errors";
import { createProgram, launcherArch, type ProgramBuilder, type ProgramCall, runProgram } from "@varve/sandbox";
import { bytesOfHostPath } from "../host-path.ts";

/** How overlays are mounted here. */
export interface OverlayFeatures {
  /** Marks are kept in user.* attributes, as an ordinary user must. */
  readonly userXattr: boolean;
  /** The kernel can leave out syncing, which without it is the whole file system each time an overlay goes (5.10). */
  readonly volatile: boolean;
  /** The workspace's file system takes the marks of deleted files. */
  readonly whiteouts: boolean;
  /** A directory in memory for what steps change, where the workspace's file system can't be an upper one. */
  readonly memory?: string;
}

/** The upper directory of an overlay, and what the kernel needs beside it. */
export interface OverlayUpper {
  readonly path: string;
  dispose(): Promise<void>;
}

/** A mount in the helper's own namespace. */
export interface OverlayMount {
  /** Where it is seen. */
  readonly merged: string;
  /** Idempotent. */
  unmount(): Promise<void>;
  /** Unmounts it where it is still mounted, and removes the directories made for it as far as they are empty. */
  remove(): Promise<void>;
}

const MNT_DETACH = 2;
const MS_NODEV = 4;
const AT_FDCWD = -100;
const AT_REMOVEDIR = 0x200;

/** Makes the upper directory of the overlay in `directory`, mode 0700 and empty. */
export async function createUpper(directory: string, features: OverlayFeatures): Promise<OverlayUpper> {
  const { memory } = features;
  if (memory === undefined) {
    for (const name of UPPER_NAMES) mkdirSync(`${directory}/${name}`, { mode: 0o700 });
    return { path: `${directory}/u`, dispose: () => Promise.resolve() };
  }
  const place = await mkdtemp(`${memory}/`);
  for (const name of UPPER_NAMES) {
    mkdirSync(`${place}/${name}`, { mode: 0o700 });
    symlinkSync(`${place}/${name}`, `${directory}/${name}`);
  }
  return { path: `${place}/u`, dispose: () => rm(place, { recursive: true, force: true }) };
}

/** The names of the mount's options in its directory: the upper directory and the kernel's own. */
const UPPER_NAMES = ["u", "w"] as const;
/** What the kernel leaves in its own, innermost first: a file of volatile overlays, and directories. */
const DIRTY = "/w/work/incompat/volatile/dirty";
const WORK_NAMES = ["/work/incompat/volatile", "/work/incompat", "/work"] as const;

/** Where an overlay is made: a directory that all its lower ones can be named from, and its own in it. */
export interface OverlayPlace {
  readonly work: string;
  readonly name: string;
}

/**
 * Mounts lower directories (topmost first), and the upper one made by {@link createUpper}, on `m` in the overlay's own directory. The lower
 * ones are named from `work`, shortly, since the mount's options end at one page. `addMore` adds calls that are made after it.
 */
export async function mountOverlay(
  launcher: string,
  { work, name }: OverlayPlace,
  lowers: readonly string[],
  features: OverlayFeatures,
  addMore: (program: ProgramBuilder) => void = () => {},
): Promise<OverlayMount> {
  const merged = `${work}/${name}/m`;
  mkdirSync(merged);
  const settings = [`lowerdir=${lowers.join(":")}`, `upperdir=${name}/u`, `workdir=${name}/w`, "redirect_dir=nofollow", "metacopy=off", "index=off"];
  if (features.volatile) settings.push("volatile");
  if (features.userXattr) settings.push("userxattr");
  const program = createProgram(launcherArch());
  program.call("enter the directory of the overlay", "chdir", program.string(bytesOfHostPath(work)));
  program.call(
    "mount the overlay",
    "mount",
    program.string("overlay"),
    program.string(bytesOfHostPath(merged)),
    program.string("overlay"),
    MS_NODEV,
    program.string(settings.join(",")),
  );
  addMore(program);
  const report = await runProgram(launcher, program.finish());
  if (report.failure !== undefined) {
    throw new VarveError("SANDBOX_SETUP_FAILED", `cannot ${report.failure.label}: ${report.failure.code}`, {
      hint: "the data directory must be on a file system that overlayfs can use, such as ext4, xfs or tmpfs",
    });
  }
  let isMounted = true;
  const leave = async (directories: readonly string[]): Promise<void> => {
    const off = createProgram(launcherArch());
    const ignored = (label: string): ProgramCall => ({ label, onError: "ignore" });
    if (isMounted) off.call(ignored("unmount"), "umount2", off.string(bytesOfHostPath(merged)), MNT_DETACH);
    else if (directories.length === 0) return;
    isMounted = false;
    if (directories.length > 0) off.call(ignored("remove a file"), "unlinkat", AT_FDCWD, off.string(bytesOfHostPath(`${work}/${name}${DIRTY}`)), 0);
    for (const path of directories) off.call(ignored("remove a directory"), "unlinkat", AT_FDCWD, off.string(bytesOfHostPath(path)), AT_REMOVEDIR);
    await runProgram(launcher, off.finish());
  };
  const own = [...WORK_NAMES.map((at) => `/w${at}`), ...UPPER_NAMES.map((at) => `/${at}`), "/m", ""].map((at) => `${work}/${name}${at}`);
  return { merged, unmount: async () => await leave([]), remove: async () => await leave(own) };
}
