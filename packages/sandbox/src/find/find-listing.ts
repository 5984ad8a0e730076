import { createHash } from "node:crypto";
import { closeSync, fstatSync, readSync } from "node:fs";
import type { IOOptions } from "@varve/oci";
import { type FindProcess, type FindRequest, spawnFind } from "./find-process.ts";
import { takeForeseen } from "./foreseen-find.ts";
import { type FoundEntry, readFound } from "./found-entry.ts";
import { findRows, type FoundRows } from "./found-rows.ts";

/** How it is listed, and what is left out. */
export interface FindOptions extends IOOptions, Omit<FindRequest, "directory"> {
  /** Where its output may lie for a moment: a directory of this user's. */
  readonly spool: string;
}

/** What `find` printed of a directory. */
export interface FindListing {
  /** Of everything it printed, in the order of the disk, and of how it was asked: equal ones mean that nothing changed in between. In hex. */
  readonly digest: string;
  /** How it was asked. */
  readonly asked: string;
  /** Bytes of it; an entry has about 90. */
  readonly size: number;
  /** All of it, sorted as a walk; `undefined` when it can't be understood. `size` bytes are held, and as much again. */
  entries(): Iterable<FoundEntry> | undefined;
  /** All of it as it was printed, to be compared with another listing; `undefined` when it can't be understood. Held whole. */
  rows(): FoundRows | undefined;
  /** All of it, each entry as {@link FoundReader} reads it. */
  bytes(): Buffer;
}

/** A listing under way. */
export interface FindRun extends AsyncDisposable {
  /** When it began, milliseconds since the epoch. */
  readonly began: number;
  /** `undefined` when there is no GNU `find`, or when it had anything to complain of: then Node must walk, and tell what is wrong. */
  readonly listing: Promise<FindListing | undefined>;
}

const BLOCK = 1024 * 1024;

/**
 * Begins to list a directory (an absolute path) with GNU `find`: a tenth of the time Node's calls take, and on another core. It follows no symlinks, not
 * even where a directory is replaced by one meanwhile. Never fails: what can't be had so is left to others. The caller disposes it.
 */
export function startFind(directory: string, { prunedPaths = [], prunedNames = [], spool, signal }: FindOptions): FindRun {
  const request = { directory, prunedPaths, prunedNames };
  const find = takeForeseen(request) ?? spawnFind(request, spool);
  if (find === undefined) return { began: Date.now(), listing: Promise.resolve(undefined), [Symbol.asyncDispose]: () => Promise.resolve() };
  return listingOf(find, signal);
}

function listingOf(find: FindProcess, signal: AbortSignal | undefined): FindRun {
  signal?.addEventListener("abort", find.stop, { once: true });
  const listing = find.succeeded.then((succeeded) => {
    signal?.removeEventListener("abort", find.stop);
    return succeeded ? openListing(find.fd, find.args) : undefined;
  });
  return {
    began: find.began,
    listing,
    async [Symbol.asyncDispose]() {
      find.stop();
      await listing.catch(() => {});
      closeSync(find.fd);
    },
  };
}

function openListing(fd: number, args: readonly string[]): FindListing | undefined {
  try {
    const { size } = fstatSync(fd);
    const asked = JSON.stringify(args);
    const hash = createHash("sha256").update(asked);
    const block = Buffer.allocUnsafe(Math.min(size, BLOCK));
    for (let at = 0; at < size; at += block.length) hash.update(block.subarray(0, readSync(fd, block, 0, Math.min(block.length, size - at), at)));
    const bytes = (): Buffer => readAll(fd, size);
    return { digest: hash.digest("hex"), asked, size, entries: () => readFound(bytes()), rows: () => findRows(bytes()), bytes };
  } catch {
    // a full disk, say
    return undefined;
  }
}

/** The offset of the descriptor is where `find` left it. */
function readAll(fd: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(size);
  for (let at = 0; at < size;) {
    const read = readSync(fd, bytes, at, size - at, at);
    if (read === 0) return bytes.subarray(0, at);
    at += read;
  }
  return bytes;
}
