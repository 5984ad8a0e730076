import { hash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";

// O_NONBLOCK: a FIFO that took a file's place must not block the open
export const READ_FLAGS: number = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** Files to be read into one buffer, in columns: a thread is told of them cheaply. */
export interface FillOrder {
  /** Host paths, a character a byte, with a NUL between them: a list of strings takes longer to tell. */
  readonly paths: string;
  /** Five a file: device, inode, size, mtime and ctime, as it was listed. */
  readonly states: BigInt64Array<ArrayBuffer>;
  /** Where in the buffer each begins. */
  readonly offsets: Float64Array<ArrayBuffer>;
  /** 1 where the sha256 is asked for. */
  readonly wanted: Uint8Array<ArrayBuffer>;
  /** CRC-32 of a whole whose sha256 is known: where the buffer comes to it, it is not hashed. */
  readonly expected?: number | undefined;
}

/** What became of a {@link FillOrder}. */
export interface FillOutcome {
  /** 32 bytes a file; zeros where they were not asked for. */
  readonly digests: Uint8Array<ArrayBuffer>;
  /** sha256 of the whole buffer, in hex; `undefined` where its CRC-32 is what was expected. */
  readonly whole: string | undefined;
  /** CRC-32 of the whole buffer. */
  readonly crc32: number;
  /** The first file that could not be read. Without a code it is not the file that was listed any more. */
  readonly failure?: { readonly file: number; readonly code?: string; readonly message?: string };
}

/** Numbers a file has in {@link FillOrder.states}. */
export const STATE_FIELDS = 5;
const DIGEST = 32;
// oxlint-disable-next-line no-control-regex -- the ASCII test is the point
const ASCII = /^[\x00-\x7f]*$/;

/**
 * Reads files into a buffer, four system calls each. That a file still has the state it was listed in is looked at after it was read: then it had
 * it all the while.
 */
export function fillFiles(bytes: Uint8Array, order: FillOrder): FillOutcome {
  const paths = order.wanted.length === 0 ? [] : order.paths.split("\0");
  const digests = new Uint8Array(DIGEST * paths.length);
  const nothing = { digests, whole: undefined, crc32: 0 };
  for (const [file, path] of paths.entries()) {
    let fd: number | undefined;
    try {
      // strings are given to the kernel as UTF-8
      fd = openSync(ASCII.test(path) ? path : Buffer.from(path, "latin1"), READ_FLAGS);
      const content = readContent(fd, bytes, order, file);
      if (content === undefined) return { ...nothing, failure: { file } };
      if (order.wanted[file] === 1) digests.set(hash("sha256", content, "buffer"), DIGEST * file);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return { ...nothing, failure: { file, ...(code === undefined ? {} : { code }), message } };
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }
  const crc = crc32(bytes);
  return { digests, whole: crc === order.expected ? undefined : hash("sha256", bytes, "hex"), crc32: crc };
}

/** `undefined` when the file is another than was listed. */
function readContent(fd: number, bytes: Uint8Array, { states, offsets }: FillOrder, file: number): Uint8Array | undefined {
  const at = STATE_FIELDS * file;
  const size = Number(states[at + 2] ?? 0n);
  const offset = offsets[file] ?? 0;
  let filled = 0;
  while (filled < size) {
    const count = readSync(fd, bytes, offset + filled, size - filled, null);
    if (count === 0) return undefined;
    filled += count;
  }
  const stats = fstatSync(fd, { bigint: true });
  const same =
    stats.isFile() &&
    BigInt.asIntN(64, stats.dev) === states[at] &&
    BigInt.asIntN(64, stats.ino) === states[at + 1] &&
    stats.size === states[at + 2] &&
    stats.mtimeNs === states[at + 3] &&
    stats.ctimeNs === states[at + 4];
  return same ? bytes.subarray(offset, offset + size) : undefined;
}
