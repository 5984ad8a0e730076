import { randomUUID } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import type { ContentRef } from "@varve/layer";
import { type Digest, isDigest } from "@varve/oci";

type DiskRef = Extract<ContentRef, { kind: "disk" }>;

/** Remembers content digests of files by the state they were in, so that an unchanged file isn't read again. */
export interface StatCache {
  lookup(ref: DiskRef): Promise<Digest | undefined>;
  /** `since` is when reading began, milliseconds since the epoch. */
  record(ref: DiskRef, digest: Digest, since: number): Promise<void>;
  /** Writes what was used or recorded since it was opened; best effort. */
  save(): Promise<void>;
}

const HEADER = "varve stat cache 1";
/**
 * Kernels stamp by the tick and some file systems by the second: a file that changed this recently could change again without
 * a new ctime, so its digest is not remembered. Milliseconds.
 */
export const SETTLED: number = 1500;

interface CachedDigest {
  readonly state: string;
  readonly digest: Digest;
}

/** The cache in `file`, read when first asked. One that can't be read is an empty one: nothing but time is lost. */
export function createStatCache(file: string): StatCache {
  let loading: Promise<Map<string, CachedDigest>> | undefined;
  const entries = (): Promise<Map<string, CachedDigest>> => (loading ??= load(file));
  const used = new Set<string>();
  let dirty = false;
  return {
    async lookup(ref) {
      const entry = (await entries()).get(ref.path);
      if (entry === undefined || entry.state !== stateOf(ref)) return undefined;
      used.add(ref.path);
      return entry.digest;
    },
    async record(ref, digest, since) {
      if (since - Number(BigInt(ref.stat.ctimeNs) / 1_000_000n) < SETTLED) return;
      (await entries()).set(ref.path, { state: stateOf(ref), digest });
      used.add(ref.path);
      dirty = true;
    },
    async save() {
      if (!dirty) return;
      const known = await entries();
      const lines = [HEADER];
      // what this build did not look at may belong to another Dockerfile's COPY of the same directory; only a cache that is mostly that is pruned
      const prune = known.size > 2 * used.size + 100_000;
      for (const [path, entry] of known) if (!prune || used.has(path)) lines.push(`${entry.digest} ${entry.state} ${JSON.stringify(path)}`);
      const temporary = `${file}.${randomUUID()}`;
      try {
        await writeFile(temporary, `${lines.join("\n")}\n`, { flag: "wx", mode: 0o600 });
        await rename(temporary, file);
      } catch {
        await rm(temporary, { force: true });
      }
    },
  };
}

function stateOf(ref: DiskRef): string {
  return `${ref.stat.device}:${ref.stat.inode}:${ref.size}:${ref.stat.mtimeNs}:${ref.stat.ctimeNs}`;
}

async function load(file: string): Promise<Map<string, CachedDigest>> {
  const known = new Map<string, CachedDigest>();
  const text = await readFile(file, "utf8").catch(() => "");
  const lines = text.split("\n");
  if (lines[0] !== HEADER) return known;
  for (const line of lines.slice(1)) {
    const [digest = "", state = ""] = line.split(" ", 2);
    if (!isDigest(digest)) continue;
    try {
      known.set(JSON.parse(line.slice(digest.length + state.length + 2)) as string, { state, digest });
    } catch {
      continue;
    }
  }
  return known;
}
