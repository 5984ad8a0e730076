/** What a frame carries. */
export const FRAME = {
  /** JSON `{ method, params }`. */
  call: 1,
  /** One byte that names the stream, then bytes. */
  data: 2,
  /** The caller's input is over. */
  end: 3,
  /** JSON: what the call gave. */
  result: 4,
  /** JSON `{ code?, message, hint?, details? }`. */
  error: 5,
  /** Bytes of data the other side has used up and may send again, as u32. */
  credit: 6,
  /** The caller no longer wants a result. */
  cancel: 7,
} as const;

/** One message of a {@link Channel}: kind, the call it belongs to, bytes. */
export interface Frame {
  readonly kind: number;
  readonly call: number;
  readonly payload: Uint8Array;
}

const HEAD = 9;

/** A frame's bytes: kind, call and length (u32, little-endian), payload. */
export function encodeFrame(frame: Frame): Uint8Array[] {
  const head = Buffer.alloc(HEAD);
  head.writeUInt8(frame.kind, 0);
  head.writeUInt32LE(frame.call, 1);
  head.writeUInt32LE(frame.payload.length, 5);
  return [head, frame.payload];
}

/** Cuts received bytes into frames; `push` gives those that are complete. */
export function createFrameDecoder(): { push(chunk: Uint8Array): Frame[] } {
  let pieces: Uint8Array[] = [];
  let total = 0;
  let wanted = HEAD;
  return {
    push(chunk) {
      pieces.push(chunk);
      total += chunk.length;
      if (total < wanted) return [];
      const buffer = pieces.length === 1 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length) : Buffer.concat(pieces);
      const frames: Frame[] = [];
      let at = 0;
      wanted = HEAD;
      while (buffer.length - at >= HEAD) {
        const length = buffer.readUInt32LE(at + 5);
        if (buffer.length - at < HEAD + length) {
          wanted = HEAD + length;
          break;
        }
        frames.push({ kind: buffer.readUInt8(at), call: buffer.readUInt32LE(at + 1), payload: buffer.subarray(at + HEAD, at + HEAD + length) });
        at += HEAD + length;
      }
      pieces = at < buffer.length ? [buffer.subarray(at)] : [];
      total = buffer.length - at;
      return frames;
    },
  };
}
