import { type BigIntStats, lstatSync, readdirSync } from "node:fs";
import { baseName, type BytePath, compareBytes, joinPath } from "@varve/bytes";
import { bytesOfHostPath, hostPath } from "../host-path.ts";
import { describeFile } from "./describe-file.ts";
import type { UpperEntry } from "./upper-entry.ts";

/** What {@link walkUpper} walks. */
export interface UpperWalk {
  /** The upper directory. */
  readonly upper: string;
  /** The overlay's merged view. */
  readonly merged: string;
  /** Called for sockets, which no layer holds. */
  readonly onSocket: (path: BytePath) => void;
  readonly signal?: AbortSignal | undefined;
}

interface Found {
  readonly path: BytePath;
  readonly stat: BigIntStats;
}

/**
 * Everything in an upper directory, parents first, siblings by bytes; sockets are left out. A directory carries the names of the merged
 * view (sockets left out): a name of the parent tree that is not among them is gone, whether a whiteout or an opaque mark says so, and no
 * mark has to be read.
 */
export async function* walkUpper(walk: UpperWalk): AsyncGenerator<UpperEntry, void, undefined> {
  const upper = bytesOfHostPath(walk.upper);
  const merged = bytesOfHostPath(walk.merged);
  const pending: Found[] = [{ path: "" as BytePath, stat: statOf(upper) }];
  let slice = performance.now();
  for (let found = pending.pop(); found !== undefined; found = pending.pop()) {
    const entry = describeFile(found.path, found.stat, below(upper, found.path));
    if (entry?.type === "directory") {
      const children = childrenOf(upper, found.path);
      const sockets = new Set(children.filter(({ stat }) => stat.isSocket()).map(({ path }) => baseName(path)));
      for (const name of sockets) walk.onSocket(joinPath(found.path, name));
      yield { ...entry, names: list(below(merged, found.path)).filter((name) => !sockets.has(name)) };
      pending.push(...children.toReversed());
    } else if (entry !== undefined) yield entry;
    if (performance.now() - slice > 10) {
      walk.signal?.throwIfAborted();
      await new Promise((resolve) => setImmediate(resolve));
      slice = performance.now();
    }
  }
}

function childrenOf(upper: BytePath, directory: BytePath): Found[] {
  const names = list(below(upper, directory)).sort(compareBytes);
  return names.map((name) => ({ path: joinPath(directory, name), stat: statOf(below(upper, joinPath(directory, name))) }));
}

function statOf(path: BytePath): BigIntStats {
  return lstatSync(hostPath(path), { bigint: true });
}

function below(root: BytePath, path: BytePath): BytePath {
  return (path === "" ? root : `${root}/${path}`) as BytePath;
}

function list(directory: BytePath): BytePath[] {
  return readdirSync(hostPath(directory), { encoding: "latin1" }) as BytePath[];
}
