import type { BytePath, ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { Entry } from "@varve/layer";
import { isKeptXattr } from "@varve/sandbox";

/** Something to be made in a directory: data that travels to the helper, before its content when it has any. */
export interface WriteEntry {
  readonly path: BytePath;
  /** `whiteout`: a mark that overlayfs hides lower entries by. */
  readonly type: Entry["type"] | "hardlink" | "whiteout";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds. */
  readonly mtime: number;
  /** Bytes of content that follow, for files. */
  readonly size: number;
  /** A symlink's target, or the path of the file a hardlink shares. */
  readonly target?: BytePath;
  readonly major?: number;
  readonly minor?: number;
  /** Base64 by name. */
  readonly xattrs?: Readonly<Record<string, string>>;
}

/** What to make for a tree's entry. */
export function writeEntryOf(entry: Entry): WriteEntry {
  const { path, type, mode, uid, gid, mtime, size } = entry;
  const xattrs = [...(entry.xattrs ?? [])].filter(([name]) => isKeptXattr(name, type));
  return {
    path,
    type,
    mode,
    uid,
    gid,
    mtime,
    size,
    ...(entry.linkTarget === undefined ? {} : { target: entry.linkTarget }),
    ...(entry.device === undefined ? {} : entry.device),
    ...(xattrs.length === 0 ? {} : { xattrs: Object.fromEntries(xattrs.map(([name, value]) => [name, Buffer.from(value).toString("base64")])) }),
  };
}

/** A frame of a write stream: length of the JSON (u32, little-endian), the JSON, then `size` bytes from the content itself. */
export function encodeWriteEntry(entry: WriteEntry): Uint8Array {
  const json = Buffer.from(JSON.stringify(entry));
  const head = Buffer.alloc(4);
  head.writeUInt32LE(json.length);
  return Buffer.concat([head, json]);
}

/** The same bytes in pieces of at least 64 KiB but for the last: small ones each cost a message. */
export async function* inLargePieces(stream: ByteStream): AsyncGenerator<Uint8Array, void, undefined> {
  let pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of stream) {
    pieces.push(piece);
    size += piece.length;
    if (size < LARGE) continue;
    yield pieces.length === 1 ? piece : Buffer.concat(pieces);
    pieces = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(pieces);
}

const LARGE = 64 * 1024;

/** Reads what {@link encodeWriteEntry} and contents make. Contents must be read (or are skipped) before the next entry. */
export async function* readWriteEntries(
  stream: ByteStream,
): AsyncGenerator<{ readonly entry: WriteEntry; readonly content: () => AsyncGenerator<Uint8Array, void, undefined> }, void, undefined> {
  const source = stream[Symbol.asyncIterator]();
  let pending: Buffer = Buffer.alloc(0);
  const more = async (): Promise<boolean> => {
    const next = await source.next();
    if (next.done === true) return false;
    const chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length);
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    return true;
  };
  const take = async (length: number): Promise<Buffer> => {
    while (pending.length < length) if (!(await more())) throw truncated();
    const taken = pending.subarray(0, length);
    pending = pending.subarray(length);
    return taken;
  };
  try {
    while (pending.length > 0 || (await more())) {
      const entry = JSON.parse((await take((await take(4)).readUInt32LE())).toString()) as WriteEntry;
      let left = entry.type === "file" ? entry.size : 0;
      const content = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
        while (left > 0) {
          if (pending.length === 0 && !(await more())) throw truncated();
          const piece = pending.subarray(0, left);
          pending = pending.subarray(piece.length);
          left -= piece.length;
          yield piece;
        }
      };
      yield { entry, content };
      for await (const piece of content()) void piece;
    }
  } finally {
    await source.return?.();
  }
}

function truncated(): VarveError {
  return new VarveError("SNAPSHOT_APPLY_FAILED", "the stream of files ended early");
}
