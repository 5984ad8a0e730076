import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { sha256Hex } from "@varve/archive";
import { type BytePath, type ByteStream, displayPath, giveRoom, streamOf, takeRoom } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type ContentBatches, type ContentRef, type FilledBytes, type FillOptions, ListedContent, type PlacedContent, type PlacedFiles } from "@varve/layer";
import { type Digest, digestFromHex, type IOOptions } from "@varve/oci";
import type { OwningReader } from "./context.ts";
import { type FillOutcome, READ_FLAGS, STATE_FIELDS } from "./disk-fill.ts";
import { type DiskRef, sameState, stateOf } from "./disk-stat.ts";
import { fillAside } from "./disk-thread.ts";
import type { FileState } from "./file-states.ts";
import { ListedStates } from "./listed-states.ts";
import { createStatCache, type StatCache } from "./stat-cache.ts";

const EMPTY: Digest = digestFromHex(sha256Hex(new Uint8Array(0)));
/** Up to this size a file is read in one go on this thread: five thread pool trips cost more than the read. */
const SMALL = 128 * 1024;
const PIECE = 256 * 1024;
const DIGEST = 32;

/** Options of {@link createDiskReader}. */
export interface DiskReaderOptions {
  readonly cache?: StatCache | undefined;
  /** Hears of a file (its path below the root) that was not as listed, with the error that is thrown next. */
  readonly onChanged?: ((path: BytePath, error: Error) => void) | undefined;
}

/**
 * Reads files of a directory by the state they were listed in. What is opened is compared by device, inode, size, mtime and ctime
 * before the first and after the last byte; a difference is CONTEXT_CHANGED. So a symlink that took the place of a
 * parent directory after the listing can't lead elsewhere: the file found there is another one. Bytes at hand are given as they are.
 */
export function createDiskReader(root: string, options: DiskReaderOptions = {}): OwningReader {
  const cache = options.cache ?? createStatCache();
  const directory = Buffer.from(root).toString("latin1").replace(/\/+$/, "");
  const changed: ChangeError = (ref) => {
    const error = new VarveError("CONTEXT_CHANGED", `${displayPath(ref.path)} changed while the build was reading it`, {
      hint: "build again once nothing writes to the context, or exclude the file with .dockerignore",
    });
    options.onChanged?.(ref.path.slice(directory.length + 1) as BytePath, error);
    return error;
  };
  const owns = (ref: ContentRef): boolean =>
    ref.kind === "disk" &&
    (ref instanceof ListedContent && ref.list instanceof ListedStates ? ref.list.root === directory : ref.path.startsWith(`${directory}/`));
  return {
    owns,
    async open(ref, io) {
      if (ref.kind === "bytes") return streamOf(ref.bytes);
      const disk = asDisk(ref);
      io?.signal?.throwIfAborted();
      return disk.size <= SMALL ? streamOf(readSmall(disk, changed)) : readLarge(disk, changed, io);
    },
    async digest(ref, io) {
      if (ref.kind === "bytes") return digestFromHex(sha256Hex(ref.bytes));
      const disk = asDisk(ref);
      if (disk.size === 0) return EMPTY;
      await cache.load();
      const known = cache.lookup(stateOf(disk));
      if (known !== undefined) return known;
      io?.signal?.throwIfAborted();
      const since = Date.now();
      const digest = disk.size <= SMALL ? digestFromHex(sha256Hex(readSmall(disk, changed, scratch()))) : await sha256Stream(readLarge(disk, changed, io));
      cache.record(stateOf(disk), digest, since);
      return digest;
    },
    learn: (ref, digest, since) => cache.record(stateOf(asDisk(ref)), digest, since),
    batches: {
      takes: owns,
      readInto: (bytes, contents, io) => readContents(bytes, contents, { cache, changed }, io),
      readFiles: (bytes, files, io) => readFiles(bytes, files, changed, io),
    },
  };
}

/** Makes the error for a file that is not as listed. */
type ChangeError = (ref: DiskRef) => VarveError;

async function readContents(
  bytes: Uint8Array,
  contents: readonly PlacedContent[],
  { cache, changed }: { readonly cache: StatCache; readonly changed: ChangeError },
  options: FillOptions | undefined,
): Promise<FilledBytes> {
  await cache.load();
  options?.signal?.throwIfAborted();
  const since = Date.now();
  const refs = contents.map(({ ref }) => asDisk(ref));
  const states = refs.map(stateOf);
  const known = states.map((state) => cache.lookup(state));
  const outcome = await fillAside(bytes, {
    paths: refs.map((ref) => ref.path).join("\0"),
    states: columnOf(states),
    offsets: Float64Array.from(contents, ({ offset }) => offset),
    wanted: Uint8Array.from(known, (digest) => (digest === undefined ? 1 : 0)),
    expected: options?.expected?.crc32,
  });
  if (outcome.failure !== undefined) throw fillFailure(refs[outcome.failure.file], changed, outcome.failure);
  const digests = known.map((digest, file) => {
    if (digest !== undefined) return digest;
    const found = digestFromHex(Buffer.from(outcome.digests.buffer, DIGEST * file, DIGEST).toString("hex"));
    const state = states[file];
    if (state !== undefined) cache.record(state, found, since);
    return found;
  });
  return { ...wholeOf(outcome, options), digests };
}

async function readFiles(
  bytes: Uint8Array,
  files: PlacedFiles,
  changed: ChangeError,
  options: FillOptions | undefined,
): ReturnType<NonNullable<ContentBatches["readFiles"]>> {
  options?.signal?.throwIfAborted();
  const paths = Buffer.from(files.paths.buffer, files.paths.byteOffset, files.paths.length).toString("latin1");
  // the columns themselves may go to another thread
  const states = files.states.slice();
  const wanted = new Uint8Array(files.offsets.length);
  const outcome = await fillAside(bytes, { paths, states: files.states, offsets: files.offsets, wanted, expected: options?.expected?.crc32 });
  if (outcome.failure === undefined) return wholeOf(outcome, options);
  const at = outcome.failure.file;
  const [device = 0n, inode = 0n, size = 0n, mtimeNs = 0n, ctimeNs = 0n] = states.subarray(STATE_FIELDS * at);
  const stat = { device: String(BigInt.asUintN(64, device)), inode: String(BigInt.asUintN(64, inode)), mtimeNs: String(mtimeNs), ctimeNs: String(ctimeNs) };
  throw fillFailure({ kind: "disk", path: (paths.split("\0")[at] ?? "") as BytePath, size: Number(size), stat }, changed, outcome.failure);
}

function wholeOf({ whole, crc32 }: FillOutcome, options: FillOptions | undefined): Omit<FilledBytes, "digests"> {
  const digest = whole === undefined ? options?.expected?.digest : digestFromHex(whole);
  if (digest === undefined) throw new TypeError("bytes were expected to be what nobody named");
  return { whole: digest, crc32 };
}

function columnOf(states: readonly FileState[]): BigInt64Array<ArrayBuffer> {
  const column = new BigInt64Array(5 * states.length);
  let at = 0;
  for (const { device, inode, size, mtimeNs, ctimeNs } of states) {
    column[at++] = device;
    column[at++] = inode;
    column[at++] = BigInt(size);
    column[at++] = mtimeNs;
    column[at++] = ctimeNs;
  }
  return column;
}

function fillFailure(ref: DiskRef | undefined, changed: ChangeError, { code, message }: NonNullable<FillOutcome["failure"]>): unknown {
  if (ref === undefined) return new TypeError("a file that nobody asked for could not be read");
  return code === undefined
    ? message === undefined
      ? changed(ref)
      : new Error(message)
    : readFailure(ref, changed, Object.assign(new Error(message), { code }));
}

function asDisk(ref: ContentRef): DiskRef {
  if (ref.kind !== "disk") throw new TypeError(`a disk reader cannot open a ${ref.kind} reference`);
  return ref;
}

let shared: Uint8Array | undefined;

/** For bytes that are done with before anything else is read. */
function scratch(): Uint8Array {
  return (shared ??= new Uint8Array(SMALL + 1));
}

async function sha256Stream(stream: ByteStream): Promise<Digest> {
  const hash = createHash("sha256");
  for await (const piece of stream) {
    hash.update(piece);
    giveRoom(piece);
  }
  return digestFromHex(hash.digest("hex"));
}

/** Reads into `room` when it is given (SMALL + 1 bytes), else into a buffer of its own. */
function readSmall(ref: DiskRef, changed: ChangeError, room?: Uint8Array): Uint8Array {
  const listed = stateOf(ref);
  let fd: number | undefined;
  try {
    fd = openSync(Buffer.from(ref.path, "latin1"), READ_FLAGS);
    if (!sameState(fstatSync(fd, { bigint: true }), listed)) throw changed(ref);
    // one byte more than listed shows that the file has grown
    const bytes = (room ?? Buffer.allocUnsafeSlow(ref.size + 1)).subarray(0, ref.size + 1);
    let filled = 0;
    for (;;) {
      const count = readSync(fd, bytes, filled, bytes.length - filled, null);
      if (count === 0) break;
      filled += count;
      if (filled > ref.size) break;
    }
    if (filled !== ref.size || !sameState(fstatSync(fd, { bigint: true }), listed)) throw changed(ref);
    return bytes.subarray(0, ref.size);
  } catch (cause) {
    throw readFailure(ref, changed, cause);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

async function* readLarge(ref: DiskRef, changed: ChangeError, options: IOOptions | undefined): AsyncGenerator<Uint8Array, void, undefined> {
  const listed = stateOf(ref);
  let handle: FileHandle | undefined;
  try {
    // the typings lack the Buffer form of promises.open in some versions; it is documented
    handle = await open(Buffer.from(ref.path, "latin1"), READ_FLAGS);
    if (!sameState(await handle.stat({ bigint: true }), listed)) throw changed(ref);
    let left = ref.size;
    while (left > 0) {
      options?.signal?.throwIfAborted();
      // whoever is done with a piece may give it back
      const room = takeRoom(Math.min(PIECE, left));
      const { bytesRead } = await handle.read(room, 0, room.length, null);
      if (bytesRead === 0) throw changed(ref);
      left -= bytesRead;
      yield bytesRead === room.length ? room : room.subarray(0, bytesRead);
    }
    if (!sameState(await handle.stat({ bigint: true }), listed)) throw changed(ref);
  } catch (cause) {
    throw readFailure(ref, changed, cause);
  } finally {
    await handle?.close();
  }
}

function readFailure(ref: DiskRef, changed: ChangeError, cause: unknown): unknown {
  const code = (cause as NodeJS.ErrnoException | null)?.code;
  if (code === "ENOENT" || code === "ELOOP" || code === "ENOTDIR" || code === "ENXIO") return changed(ref);
  if (code === "EACCES" || code === "EPERM" || code === "EIO" || code === "EMFILE" || code === "ENFILE") {
    return new VarveError("CONTEXT_UNREADABLE", `cannot read ${displayPath(ref.path)}`, { cause, hint: (cause as Error).message });
  }
  return cause;
}
