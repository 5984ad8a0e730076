import { readFileSync } from "node:fs";

/**
 * Owners that files can have: `real`, whoever an image names, and devices can be made; `shifted`, whoever an image names, as other ids
 * outside, and no devices; `one`, a single one.
 */
export type Ids = "real" | "shifted" | "one";

/** Which ids there are where this process runs. */
export interface UserNamespace {
  /** The first user namespace of the machine, where privileges are real. */
  readonly initial: boolean;
  readonly ids: Ids;
  /** What the ranges of ids here begin with outside, 0 first. */
  readonly outside: readonly number[];
}

const ALL = 4_294_967_295;

/** Reads this process's user namespace from /proc. */
export function userNamespace(): UserNamespace {
  const extents = readFileSync("/proc/self/uid_map", "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => line.trim().split(/\s+/).map(Number));
  const count = extents.reduce((sum, [, , length = 0]) => sum + length, 0);
  const initial = count === ALL;
  return { initial, ids: initial ? "real" : count >= 65_536 ? "shifted" : "one", outside: extents.map(([, outside = 0]) => outside) };
}
