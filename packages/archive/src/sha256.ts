import { sha256OfBytes, sha256OfBytesAside, startSha256 } from "#platform";

/** Bytes that are worth the way to another thread. */
const ASIDE = 128 * 1024;

/** A sha256 being computed. `hex` ends it; it must be called once at most. */
export interface Sha256 {
  update(bytes: Uint8Array): void;
  /** 64 lower-case hex digits. */
  hex(): string;
}

/** Starts a sha256: node:crypto on Node, js-sha256 elsewhere. */
export function createSha256(): Sha256 {
  return startSha256();
}

/** The sha256 of bytes at hand, 64 lower-case hex digits. */
export function sha256Hex(bytes: Uint8Array): string {
  return sha256OfBytes(bytes);
}

/** As {@link sha256Hex}, on another thread where there is one and it is worth it. The bytes must not change meanwhile. */
export async function sha256HexAside(bytes: Uint8Array): Promise<string> {
  return bytes.length < ASIDE ? sha256OfBytes(bytes) : sha256OfBytesAside(bytes);
}

/** Starts a sha256 of `size` bytes, no more and no fewer. A piece that is all of them is hashed at once, which is faster. */
export function createSizedSha256(size: number): Sha256 {
  let whole: string | undefined;
  let hash: Sha256 | undefined;
  return {
    update(piece) {
      if (piece.length === size && hash === undefined && whole === undefined) whole = sha256OfBytes(piece);
      else (hash ??= startSha256()).update(piece);
    },
    hex: () => whole ?? (hash ?? startSha256()).hex(),
  };
}
