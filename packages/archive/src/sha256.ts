import { startSha256 } from "#platform";

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
  const hash = startSha256();
  hash.update(bytes);
  return hash.hex();
}
