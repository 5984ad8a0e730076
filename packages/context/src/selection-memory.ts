import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { type Digest, isDigest } from "@varve/oci";

/**
 * Remembers, between builds, digests of parts of a directory by the directory's fingerprint: when nothing at all has changed, no
 * tree is made and no digest looked up. Best effort: what can't be read or written costs time only.
 */
export interface SelectionMemory {
  recall(fingerprint: Digest, selection: string): Promise<Digest | undefined>;
  /** Under each of the fingerprints. */
  remember(fingerprints: readonly Digest[], selection: string, digest: Digest): Promise<void>;
  /** Whether anything was ever remembered; then it is read meanwhile. Before the first of the others. */
  isThere(): boolean;
}

/** Several Dockerfiles, each with an ignore file of its own, may share a directory, whose state has two fingerprints. */
const KEPT = 32;

interface Remembered {
  readonly fingerprint: Digest;
  readonly digests: Map<string, Digest>;
}

/** Opens the memory in `file`; read when first asked. */
export function createSelectionMemory(file: string): SelectionMemory {
  let loading: Promise<Remembered[]> | undefined;
  const known = (): Promise<Remembered[]> => (loading ??= load(file));
  return {
    async recall(fingerprint, selection) {
      return (await known()).find((entry) => entry.fingerprint === fingerprint)?.digests.get(selection);
    },
    async remember(fingerprints, selection, digest) {
      const entries = await known();
      for (const fingerprint of fingerprints) {
        const at = entries.findIndex((entry) => entry.fingerprint === fingerprint);
        const entry = entries[at] ?? { fingerprint, digests: new Map<string, Digest>() };
        if (at >= 0) entries.splice(at, 1);
        entry.digests.set(selection, digest);
        entries.unshift(entry);
      }
      entries.length = Math.min(entries.length, KEPT);
      await save(file, entries);
    },
    isThere() {
      const isThere = existsSync(file);
      if (isThere) void known();
      return isThere;
    },
  };
}

async function load(file: string): Promise<Remembered[]> {
  try {
    const parsed = JSON.parse(await readFile(file, "utf8")) as readonly {
      readonly fingerprint: Digest;
      readonly digests: readonly (readonly [string, Digest])[];
    }[];
    return parsed
      .filter((entry) => entry.digests.every(([, digest]) => isDigest(digest)))
      .map(({ fingerprint, digests }) => ({ fingerprint, digests: new Map(digests) }));
  } catch {
    return [];
  }
}

async function save(file: string, entries: readonly Remembered[]): Promise<void> {
  const temporary = `${file}.${randomUUID()}`;
  try {
    await writeFile(temporary, JSON.stringify(entries.map(({ fingerprint, digests }) => ({ fingerprint, digests: [...digests] }))), {
      flag: "wx",
      mode: 0o600,
    });
    await rename(temporary, file);
  } catch {
    await rm(temporary, { force: true });
  }
}
