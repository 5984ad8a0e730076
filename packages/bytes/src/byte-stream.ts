/**
 * Bytes in order, in pieces of any size. The consumer owns it: it must be iterated to its end or `return()`ed
 * (a `for await` that breaks does that), upon which the producer frees what it holds. A piece may be kept; producers don't reuse buffers.
 */
export type ByteStream = AsyncIterable<Uint8Array>;

/** Joins pieces into one array. */
export function concatBytes(pieces: readonly Uint8Array[]): Uint8Array {
  let total = 0;
  for (const piece of pieces) total += piece.length;
  const out = new Uint8Array(total);
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}

/** Reads a stream whole. `limit` is in bytes; when it is passed, `onLimit()`'s error is thrown and the stream released. */
export async function collectBytes(stream: ByteStream, limit: number, onLimit: () => Error): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let total = 0;
  for await (const piece of stream) {
    total += piece.length;
    if (total > limit) throw onLimit();
    pieces.push(piece);
  }
  const [only] = pieces;
  return only !== undefined && pieces.length === 1 ? only : concatBytes(pieces);
}

/** A stream of one piece (none when it is empty). */
export async function* streamOf(...pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
  for (const piece of pieces) if (piece.length > 0) yield piece;
}

/** A stream whose first bytes were looked at. */
export interface PeekedStream {
  /** At least as many bytes as asked for, fewer only of a shorter stream. */
  readonly head: Uint8Array;
  /** All of it, `head` included; the producer is freed by its `return` even when nothing was read of it. */
  readonly stream: AsyncGenerator<Uint8Array, void, undefined>;
}

/** Reads the first `length` bytes of a stream, to tell what it is, and gives it back whole. */
export async function peekBytes(stream: ByteStream, length: number): Promise<PeekedStream> {
  const source = stream[Symbol.asyncIterator]();
  const pieces: Uint8Array[] = [];
  for (let size = 0; size < length;) {
    const next = await source.next();
    if (next.done === true) break;
    pieces.push(next.value);
    size += next.value.length;
  }
  const head = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : concatBytes(pieces);
  const whole = resume(pieces, source);
  // up to its first yield: a generator that was not started has nothing to clean up
  await whole.next();
  return { head, stream: whole };
}

async function* resume(pieces: readonly Uint8Array[], source: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield new Uint8Array(0);
    yield* pieces;
    for (let next = await source.next(); next.done !== true; next = await source.next()) yield next.value;
  } finally {
    await source.return?.();
  }
}
