import { mkdirSync, symlinkSync } from "node:fs";
import { VarveError } from "@varve/errors";
import { createProgram, launcherArch } from "@varve/sandbox";
import { bytesOfHostPath } from "../host-path.ts";
import { runProgram } from "./program-runner.ts";

/** How overlays are mounted here. */
export interface OverlayFeatures {
  /** Marks are kept in user.* attributes, as an ordinary user must. */
  readonly userXattr: boolean;
}

/** A mount in the helper's own namespace. */
export interface OverlayMount {
  /** Where it is seen. */
  readonly merged: string;
  /** What was changed; absent when read-only. */
  readonly upper?: string;
  unmount(): Promise<void>;
}

const MNT_DETACH = 2;
const MS_NODEV = 4;

/**
 * Mounts lower directories (topmost first), and an empty upper one unless `readonly`, on `directory/m`. Names in the mount's options
 * are links in `directory`, since the options end at one page.
 */
export async function mountOverlay(
  launcher: string,
  directory: string,
  lowers: readonly string[],
  features: OverlayFeatures,
  options: { readonly readonly?: boolean } = {},
): Promise<OverlayMount> {
  // the prefix keeps them apart from m, u, w and e beside them
  const names = lowers.map((_, i) => `l${i.toString(36)}`);
  for (const [i, lower] of lowers.entries()) symlinkSync(lower, `${directory}/${names[i] ?? ""}`);
  mkdirSync(`${directory}/m`);
  const settings = [`lowerdir=${names.join(":")}`];
  if (options.readonly !== true) {
    mkdirSync(`${directory}/u`, { recursive: true });
    mkdirSync(`${directory}/w`);
    settings.push("upperdir=u", "workdir=w");
  }
  // a read-only overlay of one directory is refused; the directory given twice would be too, so an empty one goes below
  if (options.readonly === true && lowers.length === 1) {
    mkdirSync(`${directory}/e`);
    settings[0] += ":e";
  }
  settings.push("redirect_dir=nofollow", "metacopy=off", "index=off", ...(features.userXattr ? ["userxattr"] : []));
  const program = createProgram(launcherArch());
  program.call("enter the directory of the overlay", "chdir", program.string(bytesOfHostPath(directory)));
  program.call(
    "mount the overlay",
    "mount",
    program.string("overlay"),
    program.string("m"),
    program.string("overlay"),
    MS_NODEV,
    program.string(settings.join(",")),
  );
  const { report } = await runProgram(launcher, program.finish());
  if (report.failure !== undefined) {
    throw new VarveError("SANDBOX_SETUP_FAILED", `cannot ${report.failure.label}: ${report.failure.code}`, {
      hint: "the data directory must be on a file system that overlayfs can use, such as ext4, xfs or tmpfs",
    });
  }
  const merged = `${directory}/m`;
  return {
    merged,
    ...(options.readonly === true ? {} : { upper: `${directory}/u` }),
    async unmount() {
      const off = createProgram(launcherArch());
      off.call("unmount", "umount2", off.string(bytesOfHostPath(merged)), MNT_DETACH);
      await runProgram(launcher, off.finish());
    },
  };
}
