import type { Digest } from "@varve/oci";

const PAIRS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** The digest that is stored as 32 bytes at `start`. */
export function digestFromBytes(bytes: Uint8Array, start = 0): Digest {
  // hex digits of 32 bytes are a digest: parsing each of a million again would take a second
  let text = "sha256:";
  for (let i = start; i < start + 32; i++) text += PAIRS[bytes[i] ?? 0] ?? "";
  return text as Digest;
}

/** Writes a digest as 32 bytes at `start`. */
export function digestToBytes(digest: string, bytes: Uint8Array, start = 0): void {
  for (let i = 0; i < 32; i++) bytes[start + i] = (digit(digest.charCodeAt(7 + 2 * i)) << 4) | digit(digest.charCodeAt(8 + 2 * i));
}

/** The value of a lower-case hex digit's character. */
function digit(code: number): number {
  return code < 0x3a ? code - 0x30 : code - 0x57;
}
