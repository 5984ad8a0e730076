import { mkdirSync } from "node:fs";
import { createProgram, launcherArch, runProgram } from "@varve/sandbox";
import { bytesOfHostPath } from "../host-path.ts";
import { createUpper, mountOverlay, type OverlayFeatures, type OverlayPlace } from "./overlay.ts";
import { remove, type Workspace } from "./workspace.ts";

const AT_FDCWD = -100;
const S_IFCHR = 0o020000;
const MS_NOSUID = 2;
/** The lower directory of what is tried. */
const LOWER = "l";

/**
 * Tries overlays on the workspace's file system. One that can't be written to by an overlay (such as that of a container, which is one
 * itself) still serves for reading: then what steps change is kept in memory. Throws SANDBOX_SETUP_FAILED where neither works.
 */
export async function probeOverlay({ launcher, work }: Workspace, userXattr: boolean): Promise<OverlayFeatures> {
  const trial = `${work}/trial`;
  mkdirSync(`${trial}/${LOWER}`, { recursive: true });
  const whiteouts = await canMakeWhiteouts(launcher, trial);
  try {
    const features = { userXattr, whiteouts };
    try {
      return await firstOverlay(launcher, { work: trial, name: "disk" }, features);
    } catch (error) {
      const memory = await mountMemory(launcher, `${work}/upper`);
      if (memory === undefined) throw error;
      try {
        return await firstOverlay(launcher, { work: trial, name: "memory" }, { ...features, memory });
      } catch {
        throw error;
      }
    }
  } finally {
    await remove(trial);
  }
}

/** How an overlay can be mounted, tried from the best on. */
async function firstOverlay(launcher: string, { work, name }: OverlayPlace, features: Omit<OverlayFeatures, "volatile">): Promise<OverlayFeatures> {
  try {
    await tryOverlay(launcher, { work, name: `${name}-volatile` }, { ...features, volatile: true });
    return { ...features, volatile: true };
  } catch {
    await tryOverlay(launcher, { work, name }, { ...features, volatile: false });
    return { ...features, volatile: false };
  }
}

async function tryOverlay(launcher: string, place: OverlayPlace, features: OverlayFeatures): Promise<void> {
  const directory = `${place.work}/${place.name}`;
  mkdirSync(directory);
  const upper = await createUpper(directory, features);
  try {
    const mounted = await mountOverlay(launcher, place, [LOWER], features);
    await mounted.remove();
  } finally {
    await upper.dispose();
  }
}

/** An overlay allows no 0/0 device to be made on it, since that is its own mark. */
async function canMakeWhiteouts(launcher: string, directory: string): Promise<boolean> {
  const program = createProgram(launcherArch());
  program.call("make a whiteout", "mknodat", AT_FDCWD, program.string(bytesOfHostPath(`${directory}/${LOWER}/whiteout`)), S_IFCHR, 0);
  const report = await runProgram(launcher, program.finish());
  return report.failure === undefined;
}

async function mountMemory(launcher: string, directory: string): Promise<string | undefined> {
  mkdirSync(directory, { mode: 0o700 });
  const program = createProgram(launcherArch());
  program.call(
    "mount memory",
    "mount",
    program.string("tmpfs"),
    program.string(bytesOfHostPath(directory)),
    program.string("tmpfs"),
    MS_NOSUID,
    program.string("mode=700"),
  );
  const report = await runProgram(launcher, program.finish());
  return report.failure === undefined ? directory : undefined;
}
