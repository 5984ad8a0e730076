import { createHash, randomUUID } from "node:crypto";
import { readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { BytePath } from "@varve/bytes";
import { type Entry } from "@varve/layer";
import type { IOOptions } from "@varve/oci";
import { type FindListing, type FoundEntry, FoundReader } from "@varve/sandbox";
import type { KnownListing, ListingMemory } from "./context.ts";
import { decodeKeptListing, encodeKeptListing, type KeptListing } from "./kept-listing.ts";
import { STATE_FIELDS } from "./disk-fill.ts";
import { readyThread } from "./disk-thread.ts";
import { compareListings, type RowChange } from "./row-changes.ts";

/** Listings of one directory that are kept: each step that copies of it has one. The oldest goes. */
const KEPT = 4;
/** Rows below which nothing is gained, and above which too much would be held. */
const WORTH = 500;
const LARGEST = 100_000;
const LARGEST_BYTES = 200 * LARGEST;

/** Where {@link createListingMemory} has what it needs from. */
export interface ListingMemoryOptions {
  /** Files whose names begin so are its own. */
  readonly prefix: string;
  /** Host path of the directory in bytes, without a slash at its end. */
  readonly root: BytePath;
  /** What the listing depends on besides the directory's state. */
  readonly terms: string;
  /** What was printed, and when listing began; `undefined` where nothing was. */
  readonly printed: () => Promise<{ readonly found: FindListing; readonly since: number } | undefined>;
  /** The entries of files and directories that changed, with the extended attributes they have. */
  readonly entriesOf: (changed: readonly FoundEntry[], io?: IOOptions) => Promise<readonly (Entry | undefined)[]>;
  /** Whether the directory is as listed, for all that is known. */
  readonly isCurrent: () => boolean;
  /** Milliseconds a file must have rested to be seen when it changes. */
  readonly settledAfter: number;
  /** Told of the latest ctime, once all that changed is known. */
  readonly onNewest: (newest: number) => void;
}

/** Keeps what `find` printed between builds. Best effort: what can't be read or written costs time only. */
export function createListingMemory(options: ListingMemoryOptions): ListingMemory {
  return {
    root: options.root,
    recall: (name, io) => recall(options, name, io),
    forget: (name) => rm(fileOf(options.prefix, name), { force: true }),
    async keep(name, describe) {
      const printed = options.isCurrent() ? await options.printed() : undefined;
      if (printed === undefined || printed.found.size > LARGEST_BYTES) return;
      const bytes = printed.found.bytes();
      const rows = readRows(bytes, printed.since - options.settledAfter);
      if (rows === undefined) return;
      const { starts, paths, newest, doubtful } = rows;
      const described = describe((path) => paths.get(path), starts.length - 1);
      if (described === undefined) return;
      const files = Uint32Array.from(described.files);
      const states = new BigInt64Array(STATE_FIELDS * files.length);
      const reader = new FoundReader(bytes);
      for (const [file, row] of files.entries()) {
        reader.at = starts[row] ?? 0;
        const entry = reader.next();
        if (entry !== undefined) setState(states, file, entry);
      }
      const terms = termsOf(options, printed.found, name);
      await write(options.prefix, name, { terms, bytes, starts, doubtful, newest, files, states, note: described.note });
    },
  };
}

async function recall(options: ListingMemoryOptions, name: string, io: IOOptions | undefined): Promise<KnownListing | undefined> {
  const path = fileOf(options.prefix, name);
  const kept = decodeKeptListing(await readFile(path).catch(() => new Uint8Array()));
  const printed = kept === undefined || !options.isCurrent() ? undefined : await options.printed();
  if (kept === undefined || printed === undefined || kept.terms !== termsOf(options, printed.found, name)) return undefined;
  const bytes = printed.found.bytes();
  const rows = kept.starts.length - 1;
  const found = compareListings(kept, bytes, rows / 2);
  if (found === undefined) return undefined;
  const { changes, starts } = found;
  // a layer will be made
  if (changes.length > 0) readyThread();
  const alike = changes.filter(({ isAlike }) => isAlike);
  const entries = new Map<number, Entry | undefined>();
  for (const [i, entry] of (
    await options.entriesOf(
      alike.map((change) => change.entry),
      io,
    )
  ).entries())
    entries.set(alike[i]?.row ?? -1, entry);
  const states = kept.states.slice();
  for (const { row, entry } of alike) {
    const file = kept.files.indexOf(row);
    if (file >= 0) setState(states, file, entry);
  }
  const newest = changes.reduce((latest, { entry }) => Math.max(latest, milliseconds(entry)), kept.newest);
  options.onNewest(newest);
  return {
    note: kept.note,
    states,
    changes: changes.map(({ row }) => ({ row, entry: entries.get(row) })),
    async keep(note) {
      if (!options.isCurrent()) return;
      const doubtful = doubtfulRows(changes, printed.since - options.settledAfter);
      await write(options.prefix, name, { ...kept, bytes, starts, doubtful, newest, states, note });
    },
  };
}

function doubtfulRows(changes: readonly RowChange[], settled: number): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(changes.filter(({ entry }) => milliseconds(entry) > settled).map(({ row }) => row)).sort();
}

/** All rows: where each starts, and by path; the latest ctime, and which are later than `settled`, in milliseconds since the epoch. */
type Rows = Pick<KeptListing, "starts" | "newest" | "doubtful"> & { readonly paths: ReadonlyMap<BytePath, number> };

function readRows(bytes: Buffer, settled: number): Rows | undefined {
  const starts: number[] = [];
  const doubtful: number[] = [];
  const paths = new Map<BytePath, number>();
  let newest = 0;
  const reader = new FoundReader(bytes);
  while (!reader.done) {
    starts.push(reader.at);
    const entry = reader.next();
    if (entry === undefined || starts.length > LARGEST) return undefined;
    const row = starts.length - 1;
    paths.set(entry.path, row);
    const changed = milliseconds(entry);
    if (changed > newest) newest = changed;
    if (changed > settled) doubtful.push(row);
  }
  if (starts.length < WORTH) return undefined;
  return { starts: Uint32Array.from([...starts, bytes.length]), paths, newest, doubtful: Uint32Array.from(doubtful) };
}

function milliseconds({ ctimeNs }: FoundEntry): number {
  return Number(ctimeNs / 1_000_000n);
}

function setState(states: BigInt64Array, file: number, { device, inode, size, mtimeNs, ctimeNs }: FoundEntry): void {
  states.set([device, inode, BigInt(size), mtimeNs, ctimeNs], STATE_FIELDS * file);
}

function termsOf({ terms }: ListingMemoryOptions, { asked }: FindListing, name: string): string {
  return JSON.stringify([terms, asked, name]);
}

function fileOf(prefix: string, name: string): string {
  return `${prefix}.${createHash("sha256").update(name).digest("hex").slice(0, 16)}.listing`;
}

async function write(prefix: string, name: string, kept: KeptListing): Promise<void> {
  const path = fileOf(prefix, name);
  const temporary = `${path}.${randomUUID()}`;
  try {
    await writeFile(temporary, encodeKeptListing(kept), { flag: "wx", mode: 0o600 });
    await rename(temporary, path);
    await dropOldest(prefix);
  } catch {
    await rm(temporary, { force: true });
  }
}

async function dropOldest(prefix: string): Promise<void> {
  const folder = dirname(prefix);
  const names = (await readdir(folder)).filter((name) => name.startsWith(`${basename(prefix)}.`) && name.endsWith(".listing"));
  if (names.length <= KEPT) return;
  const written = await Promise.all(names.map(async (name) => ({ path: join(folder, name), time: (await stat(join(folder, name))).mtimeMs })));
  for (const { path } of written.toSorted((a, b) => b.time - a.time).slice(KEPT)) await rm(path, { force: true });
}
