import { lstatSync, mkdirSync, writeFileSync } from "node:fs";
import { type BytePath, displayPath, joinPath, pathComponents, ROOT } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { SandboxMount } from "@varve/sandbox";
import { hostPath } from "../../host-path.ts";
import { below, statBelow } from "./real-path.ts";

type Bind = SandboxMount & { readonly kind: "bind" };

/** Makes the places of mounts inside what other mounts show, for a driver that shows each where it belongs. No symlink is followed. */
export function makeTargets(mounts: readonly Bind[]): void {
  for (const [i, mount] of mounts.entries()) {
    if (mount.make === 0) continue;
    const holder = mounts.slice(0, i).findLast(({ target }) => mount.target.startsWith(`${target}/`));
    if (holder === undefined) throw misplaced(mount.target, "ENOENT");
    const components = pathComponents(mount.target.slice(holder.target.length + 1) as BytePath);
    let path = ROOT;
    for (const [at, name] of components.entries()) {
      path = joinPath(path, name);
      const isDirectory = at < components.length - 1 || mount.type === "directory";
      const there = statBelow(holder.source, path);
      if (there !== undefined && there.isDirectory() !== isDirectory) throw misplaced(mount.target, isDirectory ? "ENOTDIR" : "EISDIR");
      if (there !== undefined) continue;
      if (isDirectory) mkdirSync(hostPath(below(holder.source, path)));
      else writeFileSync(hostPath(below(holder.source, path)), "");
    }
    const made = lstatSync(hostPath(below(holder.source, path)));
    if (made.isSymbolicLink()) throw misplaced(mount.target, "ELOOP");
  }
}

/** A place that a mount cannot have. */
export function misplaced(target: BytePath, code: string): VarveError {
  return new VarveError("SANDBOX_SETUP_FAILED", `cannot mount on /${displayPath(target)} for the step: ${code}`);
}
