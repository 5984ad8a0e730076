import { createSha256, encodeTarHeader, type Sha256, TAR_END, type TarHeader, tarPadding } from "@varve/archive";
import { baseName, type BytePath, type ByteStream, comparePaths, displayPath, joinPath, parentPath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type DiffID, digestFromHex, type IOOptions } from "@varve/oci";
import type { Change, ChangeSet } from "./change-set.ts";
import type { ContentReader } from "./content-ref.ts";
import type { Entry } from "./entry.ts";
import type { LayerEntry } from "./layer-entry.ts";
import { createLayerIndexBuilder, type LayerIndex } from "./layer-index.ts";
import { checkedComponents, invalidEntry } from "./path-check.ts";
import { createSegmentCutter, type SegmentCuts } from "./segment-cuts.ts";
import { createTarDigest } from "./tar-digest.ts";

/** How a layer is written. */
export interface LayerWriteOptions extends IOOptions {
  /** Seconds since the epoch; modification times after it become it (SOURCE_DATE_EPOCH with rewrite-timestamp). */
  readonly latestTime?: number | undefined;
}

/** A layer's tar, made while it is read. */
export interface LayerTar {
  /** The bytes, once; equal changes and contents give equal bytes. */
  readonly stream: ByteStream;
  /** Where {@link stream} is to be cut for compression. */
  readonly cuts: SegmentCuts;
  /** Resolves when the stream was read to its end; rejects when it failed or was left. */
  readonly finished: Promise<{ readonly diffID: DiffID; readonly size: number; readonly index: LayerIndex }>;
}

/** Smaller pieces are gathered up to this, in bytes. */
const GATHER = 64 * 1024;
const WHITEOUT = ".wh.";

/**
 * The one writer of layers: entries sorted as a walk, deletions as whiteouts, whole-second times, no user names, no other times, xattrs as PAX records,
 * the first path of files with one `node` as a file and the others as hardlinks to it by relative name. `user.*`, `trusted.*` and SELinux
 * xattrs are left out, as BuildKit's exporter does. The changes should have their parents ({@link withParents}). Nothing is read before the stream is.
 * The stream throws LAYER_INVALID_ENTRY, LAYER_CONTENT_SIZE, and what `reader` throws.
 */
export function writeLayerTar(changeSet: ChangeSet, reader: ContentReader, options: LayerWriteOptions = {}): LayerTar {
  const cuts = createSegmentCutter();
  const { promise, resolve, reject } = deferred<Awaited<LayerTar["finished"]>>();
  // whoever reads the stream learns of a failure from it
  promise.catch(() => {});
  async function* write(): AsyncGenerator<Uint8Array, void, undefined> {
    const digest = createTarDigest(cuts);
    const index = createLayerIndexBuilder();
    let complete = false;
    try {
      for await (const piece of gather(writeEntries(sorted(changeSet.changes), { reader, options, cuts, add: index.add }))) {
        digest.push(piece);
        digest.settle(Number.POSITIVE_INFINITY);
        yield piece;
      }
      const summary = digest.finish();
      complete = true;
      resolve({ diffID: summary.diffID, size: summary.size, index: index.finish(summary) });
    } catch (error) {
      complete = true;
      reject(error);
      throw error;
    } finally {
      if (!complete) reject(new Error("the layer's stream was left before its end"));
    }
  }
  return { stream: write(), cuts, finished: promise };
}

interface Output {
  readonly reader: ContentReader;
  readonly options: LayerWriteOptions;
  readonly cuts: ReturnType<typeof createSegmentCutter>;
  readonly add: (entry: LayerEntry) => void;
}

async function* writeEntries(changes: readonly Change[], output: Output): AsyncGenerator<Uint8Array, void, undefined> {
  let position = 0;
  /** The first path of each node. */
  const written = new Map<number, BytePath>();
  for (const change of changes) {
    output.options.signal?.throwIfAborted();
    const first = change.kind === "deleted" ? undefined : written.get(change.entry.node);
    const { header, record } = change.kind === "deleted" ? describeWhiteout(change.path) : describeEntry(change.entry, first, output.options);
    const bytes = encodeTarHeader(header);
    const padding = tarPadding(header.size);
    const contentOffset = position + bytes.length;
    output.cuts.entry(position, contentOffset + header.size + padding.length, header.name);
    position = contentOffset + header.size + padding.length;
    yield bytes;
    if (change.kind === "deleted" || record.kind !== "file") output.add(record);
    else {
      const hash = createSha256();
      yield* contentOf(change.entry, hash, output);
      yield padding;
      output.add({ ...record, offset: contentOffset, digest: digestFromHex(hash.hex()) });
    }
    if (change.kind !== "deleted" && change.entry.type !== "directory" && first === undefined) written.set(change.entry.node, change.path);
  }
  yield TAR_END;
}

async function* contentOf(entry: Entry, hash: Sha256, { reader, options }: Output): AsyncGenerator<Uint8Array, void, undefined> {
  if (entry.content === undefined) throw new TypeError(`file ${JSON.stringify(entry.path)} has no content`);
  let left = entry.size;
  for await (const piece of await reader.open(entry.content, options)) {
    options.signal?.throwIfAborted();
    left -= piece.length;
    if (left < 0) break;
    hash.update(piece);
    yield piece;
  }
  if (left !== 0) {
    throw new VarveError(
      "LAYER_CONTENT_SIZE",
      `file ${JSON.stringify(displayPath(entry.path))} has ${left < 0 ? "more" : "fewer"} than the ${entry.size} bytes it was listed with`,
      {
        hint: "it changed while it was read",
      },
    );
  }
}

interface Description {
  readonly header: TarHeader;
  readonly record: LayerEntry;
}

const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();
const PLAIN: Omit<TarHeader, "name"> = {
  type: "file",
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 0,
  linkName: "" as BytePath,
  deviceMajor: 0,
  deviceMinor: 0,
  userName: "",
  groupName: "",
  xattrs: NO_XATTRS,
};

function describeWhiteout(path: BytePath): Description {
  checkName(path);
  return {
    header: { ...PLAIN, name: joinPath(parentPath(path), `${WHITEOUT}${baseName(path)}` as BytePath) },
    record: { kind: "whiteout", path, mode: 0, uid: 0, gid: 0, mtime: 0, size: 0, offset: 0 },
  };
}

function describeEntry(entry: Entry, first: BytePath | undefined, options: LayerWriteOptions): Description {
  const { path, type, mode, uid, gid } = entry;
  checkName(path);
  const kind = first === undefined || type === "directory" ? type : "hardlink";
  const linkTarget = kind === "hardlink" ? first : entry.linkTarget;
  const mtime = Math.min(Math.floor(entry.mtime), options.latestTime ?? Number.POSITIVE_INFINITY);
  const size = kind === "file" ? entry.size : 0;
  // a hardlink repeats them: an unpacker changes its owner, which takes a file's capabilities away
  const xattrs = storedXattrs(entry.xattrs);
  const device = kind === "char" || kind === "block" ? (entry.device ?? { major: 0, minor: 0 }) : undefined;
  const name = (path === "" ? "./" : type === "directory" ? `${path}/` : path) as BytePath;
  return {
    header: ({
	name,
	type: kind,
	mode,
	uid,
	gid,
	size,
	mtime,
	xattrs,
	userName: '',
	groupName: '',
	linkName: linkTarget ?? '' as BytePath,
	deviceMajor: device?.major ?? 0,
	deviceMinor: device?.minor ?? 0
}),
    record: ({
	kind,
	path,
	mode,
	uid,
	gid,
	mtime,
	size,
	offset: 0,
	...linkTarget === undefined ? {} : { linkTarget },
	...device === undefined ? {} : { device },
	...xattrs.size === 0 ? {} : { xattrs }
}),
  };
}

/** A file whose name begins as a whiteout's does would delete another when the layer is read. */
function checkName(path: BytePath): void {
  if (checkedComponents(path).some((component) => component.startsWith(WHITEOUT)))
    throw invalidEntry(path, "has a name that begins with .wh., which no layer can hold");
}

function storedXattrs(xattrs: Entry["xattrs"]): ReadonlyMap<string, Uint8Array> {
  if (xattrs === undefined) return NO_XATTRS;
  const kept = [...xattrs].filter(([name]) => !name.startsWith("user.") && !name.startsWith("trusted.") && name !== "security.selinux");
  return new Map(kept.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function sorted(changes: readonly Change[]): readonly Change[] {
  const ordered = changes.every((change, i) => i === 0 || comparePaths(changes[i - 1]?.path ?? change.path, change.path) < 0);
  return ordered ? changes : changes.toSorted((a, b) => comparePaths(a.path, b.path));
}

/** Joins small pieces: a layer of many small files would otherwise be a stream of headers. */
async function* gather(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let buffer = new Uint8Array(GATHER);
  let filled = 0;
  for await (const piece of pieces) {
    if (filled + piece.length > GATHER) {
      if (filled > 0) yield buffer.subarray(0, filled);
      // what was given away may be kept
      if (filled > 0) buffer = new Uint8Array(GATHER);
      filled = 0;
    }
    if (piece.length >= GATHER) yield piece;
    else {
      buffer.set(piece, filled);
      filled += piece.length;
    }
  }
  if (filled > 0) yield buffer.subarray(0, filled);
}

function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void; readonly reject: (error: unknown) => void } {
  const settle: { resolve: (value: T) => void; reject: (error: unknown) => void } = { resolve: () => {}, reject: () => {} };
  const promise = new Promise<T>((resolve, reject) => {
    settle.resolve = resolve;
    settle.reject = reject;
  });
  return { promise, resolve: (value) => settle.resolve(value), reject: (error) => settle.reject(error) };
}
