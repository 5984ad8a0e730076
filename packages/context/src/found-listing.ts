import { createHash } from "node:crypto";
import { lstatSync, readdirSync } from "node:fs";
import { relative } from "node:path";
import type { BytePath } from "@varve/bytes";
import type { IgnoreMatcher } from "@varve/dockerfile";
import { type Digest, digestFromHex } from "@varve/oci";
import type { FindListing, FindOptions, FoundEntry } from "@varve/sandbox";
import { entryType, isDevice } from "./disk-stat.ts";
import { identities, type ListOptions, MAX_DEPTH, rootBytes } from "./directory-walk.ts";
import { createListing, type Listing } from "./listing.ts";

/** What `find` printed is held whole while it is sorted; larger listings, of some 300,000 entries, are left to the walk, whose memory is flat. */
const LARGEST = 24 * 1024 * 1024;
const LITERAL = /^[\x20-\x7e]+$/;
const WILD = /[*?[\]\\]/;

/**
 * What `find` must leave out so that it enters no more than a walk would. All it leaves out is left out by `ignore` or hidden, not the other way
 * round. `undefined` where that can't be said by names and paths: a folder that is ignored by another pattern may be larger than all the rest.
 */
export function prunedByFind(root: string, { ignore, hidden = [] }: ListOptions): Pick<FindOptions, "prunedPaths" | "prunedNames"> | undefined {
  const below = hidden.map((path) => relative(root, path)).filter((path) => path !== "" && path !== ".." && !path.startsWith("../"));
  if (below.some((path) => !LITERAL.test(path))) return undefined;
  if (ignore === undefined) return { prunedPaths: below };
  const prunedPaths = [...below, ...prunedAtTop(root, ignore)];
  const prunedNames: string[] = [];
  const bringsBack = ignore.patterns.some((pattern) => pattern.negated);
  for (const { text, negated } of ignore.patterns) {
    const parts = text.split("/");
    // at the top it was asked about already; of an ignored file nothing but its state is read in vain
    if (negated || (parts.length === 1 && !text.includes("**")) || isOfFiles(parts.at(-1) ?? "")) continue;
    const [first, name = "", ...more] = parts;
    if (bringsBack || !LITERAL.test(text)) return undefined;
    if (!WILD.test(text)) prunedPaths.push(text);
    else if (first === "**" && more.length === 0 && name !== "" && !WILD.test(name)) prunedNames.push(name);
    else return undefined;
  }
  return { prunedPaths, prunedNames };
}

function prunedAtTop(root: string, ignore: IgnoreMatcher): readonly string[] {
  const names = readdirSync(root, { encoding: "latin1" });
  return names.filter((name) => LITERAL.test(name) && ignore.matches(name) && !ignore.mayDescend(name));
}

/** `*.log` and the like. */
function isOfFiles(name: string): boolean {
  return /^\*+\.[\w.]+$/.test(name);
}

/** A digest of all that `find` printed and of what is left out of it: where it is the same, so is the listing. */
export function foundFingerprint(found: FindListing, options: ListOptions): Digest {
  const parts = [found.digest, ...leftOut(options)];
  return digestFromHex(createHash("sha256").update(JSON.stringify(parts)).digest("hex"));
}

/** What is left out of a listing that `find` printed, to be compared as JSON. */
export function leftOut({ ignore, hidden }: ListOptions): readonly unknown[] {
  return [ignore?.patterns ?? [], [...identities(hidden ?? [])]];
}

/** The listing that a walk would give; `undefined` where only that can give it, or can say what is wrong. */
export function listFound(root: string, found: FindListing, { ignore, hidden }: ListOptions): Listing | undefined {
  if (found.size > LARGEST) return undefined;
  const entries = found.entries();
  if (entries === undefined) return undefined;
  const listing = createListing();
  const hiddenOnes = identities(hidden ?? []);
  /** Directories that are left out, unless something below them is not. */
  let pending: FoundEntry[] = [];
  let skipped: string | undefined;
  for (const entry of entries) {
    const { path } = entry;
    if (skipped !== undefined && path.startsWith(skipped)) continue;
    if (tooDeep(path)) return undefined;
    if (pending.length > 0) pending = pending.filter((parent) => path.startsWith(`${parent.path}/`));
    const isDirectory = entryType(entry.mode) === "directory";
    const ignored = ignore?.matches(path) ?? false;
    const hides = isDirectory && hiddenOnes.has(`${entry.device}:${entry.inode}`);
    if (hides || (ignored && ignore?.mayDescend(path) !== true)) skipped = `${path}/`;
    else if (!ignored) {
      for (const file of [...pending.splice(0), entry]) {
        const listed = withDevice(root, file);
        if (listed === undefined) return undefined;
        listing.add(listed);
      }
    } else if (isDirectory) pending.push(entry);
  }
  return listing;
}

function tooDeep(path: BytePath): boolean {
  let depth = 0;
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) depth++;
  return depth > MAX_DEPTH;
}

/** `find` prints no device numbers. */
function withDevice(root: string, entry: FoundEntry): (FoundEntry & { readonly rdev?: bigint }) | undefined {
  if (!isDevice(entry.mode)) return entry;
  const stats = lstatSync(Buffer.from(`${rootBytes(root)}/${entry.path}`, "latin1"), { bigint: true, throwIfNoEntry: false });
  return stats !== undefined && stats.ino === entry.inode && stats.dev === entry.device && stats.ctimeNs === entry.ctimeNs
    ? { ...entry, rdev: stats.rdev }
    : undefined;
}
