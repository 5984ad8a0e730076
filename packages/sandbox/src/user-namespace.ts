import { readFileSync } from "node:fs";

/** Which ids there are where this process runs. */
export interface UserNamespace {
  /** The first user namespace of the machine, where privileges are real. */
  readonly initial: boolean;
  /** `real`: all an image may use; `one` (or a few): files can't have other owners. */
  readonly ids: "real" | "one";
  /** The id outside that 0 is here. */
  readonly outside: number;
}

const ALL = 4_294_967_295;

/** Reads this process's user namespace from /proc. */
export function userNamespace(): UserNamespace {
  const extents = readFileSync("/proc/self/uid_map", "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => line.trim().split(/\s+/).map(Number));
  const count = extents.reduce((sum, [, , length = 0]) => sum + length, 0);
  const zero = extents.find(([inside]) => inside === 0);
  return { initial: count === ALL, ids: count >= 65_536 ? "real" : "one", outside: zero?.[1] ?? -1 };
}
