import { lstatSync, type Stats } from "node:fs";
import { type BytePath, pathComponents, ROOT } from "@varve/bytes";
import { hostPath } from "../../host-path.ts";

/** Host path of a path below `root`. */
export function below(root: BytePath, path: BytePath): BytePath {
  return (path === ROOT ? root : `${root}/${path}`) as BytePath;
}

/** lstat of a path below `root`; `undefined` when it is not there. */
export function statBelow(root: BytePath, path: BytePath): Stats | undefined {
  return lstatSync(hostPath(below(root, path)), { throwIfNoEntry: false });
}

/** Whether a path below `root` is a directory that is reached through directories only: a step may have put symlinks in their place. */
export function isRealDirectory(root: BytePath, path: BytePath): boolean {
  let at = ROOT;
  for (const name of pathComponents(path)) {
    at = (at === ROOT ? name : `${at}/${name}`) as BytePath;
    if (statBelow(root, at)?.isDirectory() !== true) return false;
  }
  return true;
}
