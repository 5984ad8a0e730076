import { crc32, createInflateRaw, type InflateRaw } from "node:zlib";
import { type ByteStream, concatBytes } from "@varve/bytes";

/** Bytes a decoder gives at once: fewer trips to the thread pool than Node's 16 KiB. */
const CHUNK = 256 * 1024;
/** Identification and the one method there is (RFC 1952, 2.3). */
const MAGIC = [0x1f, 0x8b, 8];
const FLAGS = { headerChecksum: 2, extra: 4, name: 8, comment: 16 } as const;

/**
 * A gzip stream without its compression; members one after the other are one. Everything that precedes damage, or what is no further member,
 * is given first, and only then comes the error: who needs no more never hears of it. (node:zlib's own gunzip drops what it read together
 * with what follows the last member.) Throws plain errors. Owns `stream`.
 */
export async function* inflateGzip(stream: ByteStream): AsyncGenerator<Uint8Array, void, undefined> {
  await using input = new Input(stream);
  for (let first = true; first || (await input.hasMore()); first = false) {
    const header = await input.take(10);
    if (!MAGIC.every((byte, i) => header[i] === byte)) throw new Error("there is no gzip header");
    await skipRest(input, header[3] ?? 0);
    let crc = 0;
    let size = 0;
    for await (const piece of inflateMember(input)) {
      crc = crc32(piece, crc);
      size = (size + piece.length) >>> 0;
      yield piece;
    }
    const trailer = await input.take(8);
    if (littleEndian(trailer, 0, 4) !== crc || littleEndian(trailer, 4, 4) !== size) throw new Error("a checksum does not match");
  }
}

async function skipRest(input: Input, flags: number): Promise<void> {
  if ((flags & FLAGS.extra) !== 0) await input.take(littleEndian(await input.take(2), 0, 2));
  if ((flags & FLAGS.name) !== 0) await skipText(input);
  if ((flags & FLAGS.comment) !== 0) await skipText(input);
  if ((flags & FLAGS.headerChecksum) !== 0) await input.take(2);
}

async function skipText(input: Input): Promise<void> {
  while ((await input.take(1))[0] !== 0) {
    // nobody wants the name
  }
}

/** One deflate stream; what was read of `input` behind its end is given back. */
async function* inflateMember(input: Input): AsyncGenerator<Uint8Array, void, undefined> {
  const inflater = createInflateRaw({ chunkSize: CHUNK });
  const feeding = feed(input, inflater);
  // handled where it is awaited
  feeding.catch(() => undefined);
  try {
    for await (const piece of inflater as AsyncIterable<Uint8Array>) yield piece;
  } finally {
    inflater.destroy();
    await feeding;
  }
}

/** Piece by piece, so that what wasn't taken is of the last one. */
async function feed(input: Input, inflater: InflateRaw): Promise<void> {
  let fed = 0;
  try {
    while (!inflater.destroyed && !inflater.readableEnded) {
      const piece = await input.next();
      if (piece === undefined) {
        inflater.end();
        return;
      }
      fed += piece.length;
      await taken(inflater, piece);
      // bytesWritten: what zlib took
      if (inflater.bytesWritten < fed) {
        input.giveBack(piece.subarray(piece.length - (fed - inflater.bytesWritten)));
        return;
      }
    }
  } catch (error) {
    inflater.destroy();
    throw error;
  }
}

/** Resolves when the piece was taken, or no more ever will be. */
function taken(inflater: InflateRaw, piece: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      inflater.off("end", done);
      inflater.off("close", done);
      resolve();
    };
    inflater.on("end", done);
    inflater.on("close", done);
    inflater.write(piece, done);
  });
}

function littleEndian(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let i = at + length - 1; i >= at; i--) value = value * 256 + (bytes[i] ?? 0);
  return value;
}

/** A stream of which something can be given back. */
class Input implements AsyncDisposable {
  readonly #source: AsyncIterator<Uint8Array>;
  #returned: Uint8Array | undefined;

  constructor(stream: ByteStream) {
    this.#source = stream[Symbol.asyncIterator]();
  }

  /** The next piece, not empty; `undefined` at the end. */
  async next(): Promise<Uint8Array | undefined> {
    const returned = this.#returned;
    this.#returned = undefined;
    if (returned !== undefined) return returned;
    for (;;) {
      const next = await this.#source.next();
      if (next.done === true) return undefined;
      if (next.value.length > 0) return next.value;
    }
  }

  giveBack(bytes: Uint8Array): void {
    this.#returned = bytes.length === 0 ? undefined : bytes;
  }

  async hasMore(): Promise<boolean> {
    const piece = await this.next();
    this.giveBack(piece ?? new Uint8Array(0));
    return piece !== undefined;
  }

  async take(length: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    for (let left = length; left > 0;) {
      const piece = await this.next();
      if (piece === undefined) throw new Error("unexpected end of file");
      pieces.push(piece.subarray(0, left));
      this.giveBack(piece.subarray(left));
      left -= Math.min(left, piece.length);
    }
    return concatBytes(pieces);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source.return?.();
  }
}
