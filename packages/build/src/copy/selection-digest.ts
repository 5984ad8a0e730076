import { createHash, type Hash } from "node:crypto";
import type { ContentReader, ContentRef, Entry } from "@varve/layer";
import { type Digest, digestFromHex, digestHex, type IOOptions } from "@varve/oci";
import type { Selected } from "./selection.ts";

/** What of an entry matters to the cache. */
export interface SelectionDigestOptions extends IOOptions {
  /** False with `--chown`: the source's owner has no effect. */
  readonly owner: boolean;
}

/**
 * Digest of all a COPY reads (fact 32): names, types, modes, owners, link targets, devices, extended attributes and contents; not mtimes.
 * A directory's own name has no effect, so it isn't in it; a file's has. Contents are apart from all else, so that the digest can be made anew
 * when nothing but some of them changed.
 */
export async function digestSelection(selected: readonly Selected[], reader: ContentReader, options: SelectionDigestOptions): Promise<Digest> {
  const parts: SelectionPart[] = [];
  for (const one of selected) parts.push(await digestPart(one, reader, options));
  return combineSelection(parts);
}

/** A source of a COPY: all but the contents, and the contents' digests (32 bytes each, in the order of a walk), each as a digest. */
export interface SelectionPart {
  readonly outline: Digest;
  readonly contents: Digest;
}

/** The digest of all sources. */
export function combineSelection(parts: readonly SelectionPart[]): Digest {
  const hash = createHash("sha256");
  for (const { outline, contents } of parts) hash.update(`${outline} ${contents}\n`);
  return digestFromHex(hash.digest("hex"));
}

/** Outlines that were made for a digest. */
const outlines = new WeakMap<Selected, { readonly owner: boolean; readonly outline: Digest }>();

/** Of all of a source but the contents. */
export function outlineSelected(one: Selected, options: Pick<SelectionDigestOptions, "owner">): Digest {
  const known = outlines.get(one);
  if (known?.owner === options.owner) return known.outline;
  const outline = new FieldHash();
  for (const content of describeSelected(one, outline, options.owner)) void content;
  return outline.digest();
}

async function digestPart(one: Selected, reader: ContentReader, options: SelectionDigestOptions): Promise<SelectionPart> {
  const outline = new FieldHash();
  const contents = new FieldHash();
  for (const content of describeSelected(one, outline, options.owner)) contents.hex(digestHex(await reader.digest(content, options)));
  const part = { outline: outline.digest(), contents: contents.digest() };
  outlines.set(one, { owner: options.owner, outline: part.outline });
  return part;
}

/** Adds all but the contents, which it gives. */
function* describeSelected(one: Selected, outline: FieldHash, owner: boolean): Generator<ContentRef, void, undefined> {
  outline.text(one.root.type === "directory" ? "directory" : "file");
  if (one.root.type !== "directory") outline.text(one.name);
  /** Hardlinks of one selection, by the position of the first among its files. */
  const nodes = new Map<number, number>();
  let files = 0;
  for (const { relative, entry, partial } of one.entries()) {
    outline.text(relative);
    // the top directory's metadata is not copied
    if (relative === "" && entry.type === "directory") continue;
    describeEntry(outline, entry, owner, partial);
    if (entry.type !== "file" || entry.content === undefined) continue;
    const group = nodes.get(entry.node) ?? files++;
    if (one.isLinked(entry.node)) nodes.set(entry.node, group);
    outline.text(String(group));
    yield entry.content;
  }
}

function describeEntry(fields: FieldHash, entry: Entry, owner: boolean, partial: boolean): void {
  fields.text(`${entry.type} ${entry.mode.toString(8)} ${owner ? `${entry.uid}:${entry.gid}` : "-"} ${partial ? "partial" : ""}`);
  if (entry.linkTarget !== undefined) fields.text(entry.linkTarget);
  if (entry.device !== undefined) fields.text(`${entry.device.major}:${entry.device.minor}`);
  if (entry.xattrs === undefined) return;
  for (const name of [...entry.xattrs.keys()].toSorted()) {
    fields.text(name);
    fields.bytes(entry.xattrs.get(name) ?? new Uint8Array());
  }
}

/** Fields, each with its length first, so that no two sequences of them read alike; gathered, since a hash takes as long for a few bytes as for a thousand. */
class FieldHash {
  readonly #hash: Hash = createHash("sha256");
  readonly #gathered = Buffer.allocUnsafe(64 * 1024);
  #length = 0;

  /** A text whose characters are bytes. */
  text(text: string): void {
    this.#put(text.length);
    if (this.#length + text.length > this.#gathered.length) this.#flush();
    if (text.length > this.#gathered.length) this.#hash.update(text, "latin1");
    else this.#length += this.#gathered.write(text, this.#length, "latin1");
  }

  bytes(bytes: Uint8Array): void {
    this.#put(bytes.length);
    this.#flush();
    this.#hash.update(bytes);
  }

  /** Bytes of a number that is known to all, without their length. */
  hex(text: string): void {
    if (this.#length + text.length / 2 > this.#gathered.length) this.#flush();
    this.#length += this.#gathered.write(text, this.#length, "hex");
  }

  digest(): Digest {
    this.#flush();
    return digestFromHex(this.#hash.digest("hex"));
  }

  #put(length: number): void {
    if (this.#length + 4 > this.#gathered.length) this.#flush();
    this.#length = this.#gathered.writeUInt32BE(length, this.#length);
  }

  #flush(): void {
    this.#hash.update(this.#gathered.subarray(0, this.#length));
    this.#length = 0;
  }
}
