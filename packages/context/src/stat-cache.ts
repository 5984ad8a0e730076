import { randomUUID } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import type { Digest } from "@varve/oci";
import { CachedStates } from "./cached-states.ts";
import type { FileState } from "./file-states.ts";

/** Remembers what is known of files by the state they were in, so that an unchanged file isn't read again. */
export interface StatCache {
  /** Reads what is kept; everything else comes after it. */
  load(): Promise<void>;
  lookup(state: FileState): Digest | undefined;
  /** `since` is when reading began, milliseconds since the epoch. What changed shortly before is known to this build only. */
  record(state: FileState, digest: Digest, since: number): void;
  /** Whether the file or directory is known to have no extended attributes: a new one would have given it a new ctime. */
  isBare(state: FileState): boolean;
  /** `since` as above. */
  recordBare(state: FileState, since: number): void;
  /** Writes what is to be kept; best effort. */
  save(): Promise<void>;
}

/**
 * Kernels stamp by the tick and some file systems by the second: a file that changed this recently could change again without
 * a new ctime, so nothing of it is kept for other builds. Milliseconds.
 */
export const SETTLED: number = 1500;

/** The cache in `file`; without one it lasts as long as the build. One that can't be read is an empty one: nothing but time is lost. */
export function createStatCache(file?: string): StatCache {
  let known = new CachedStates();
  let loading: Promise<void> | undefined;
  let dirty = false;
  const isSettled = (state: FileState, since: number): boolean => since - Number(state.ctimeNs / 1_000_000n) >= SETTLED;
  return {
    load: () =>
      (loading ??=
        file === undefined
          ? Promise.resolve()
          : readFile(file).then(
              (bytes) => void (known = CachedStates.decode(bytes) ?? known),
              () => {},
            )),
    lookup: (state) => known.lookup(state),
    record(state, digest, since) {
      const keep = isSettled(state, since);
      known.set(state, digest, keep);
      dirty ||= keep;
    },
    isBare: (state) => known.isBare(state),
    recordBare(state, since) {
      if (!isSettled(state, since)) return;
      known.setBare(state);
      dirty = true;
    },
    async save() {
      if (file === undefined || !dirty) return;
      const temporary = `${file}.${randomUUID()}`;
      try {
        await writePieces(temporary, known.encode());
        await rename(temporary, file);
      } catch {
        await rm(temporary, { force: true });
      }
    },
  };
}

async function writePieces(path: string, pieces: Iterable<Uint8Array>): Promise<void> {
  const handle = await open(path, "wx", 0o600);
  try {
    for (const piece of pieces) await handle.writeFile(piece);
  } finally {
    await handle.close();
  }
}
