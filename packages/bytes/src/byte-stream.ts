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
  return concatBytes(pieces);
}

/** A stream of one piece (none when it is empty). */
export async function* streamOf(...pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
  for (const piece of pieces) if (piece.length > 0) yield piece;
}
