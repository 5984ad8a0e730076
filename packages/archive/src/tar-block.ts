import { VarveError } from "@varve/errors";

/** Bytes of a tar record; headers and padded contents are multiples of it. */
export const TAR_BLOCK = 512;

/** Two blocks of zeros: the end of an archive (POSIX ustar). */
export const TAR_END: Uint8Array = new Uint8Array(2 * TAR_BLOCK);

const NO_PADDING = new Uint8Array(0);

/** The zeros that follow `size` bytes of content up to the next block; empty when there are none. Not to be written to. */
export function tarPadding(size: number): Uint8Array {
  const over = size % TAR_BLOCK;
  return over === 0 ? NO_PADDING : TAR_END.subarray(0, TAR_BLOCK - over);
}

/** Where a field of a header block lies: offset and length in bytes. */
export type TarField = readonly [offset: number, length: number];

type FieldName =
  | "name"
  | "mode"
  | "uid"
  | "gid"
  | "size"
  | "mtime"
  | "checksum"
  | "linkName"
  | "userName"
  | "groupName"
  | "deviceMajor"
  | "deviceMinor"
  | "prefix";

/** The fields of a ustar header block. */
export const FIELDS: Readonly<Record<FieldName, TarField>> = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  linkName: [157, 100],
  userName: [265, 32],
  groupName: [297, 32],
  deviceMajor: [329, 8],
  deviceMinor: [337, 8],
  prefix: [345, 155],
};

/** Offset of the one-byte type flag. */
export const TYPE_FLAG = 156;

/** The field's bytes up to the first NUL, as a byte string. */
export function readText(block: Uint8Array, [offset, length]: TarField): string {
  let text = "";
  for (let i = offset; i < offset + length; i++) {
    const byte = block[i] ?? 0;
    if (byte === 0) break;
    text += String.fromCharCode(byte);
  }
  return text;
}

/**
 * A numeric field: octal text between spaces and NULs (empty is 0), or GNU's base-256 (two's complement) when the first bit is set.
 * Throws ARCHIVE_MALFORMED_TAR for other text and for what a number can't hold exactly.
 */
export function readNumber(block: Uint8Array, field: TarField, what: string): number {
  const [offset, length] = field;
  return ((block[offset] ?? 0) & 0x80) === 0 ? readOctal(block, offset, offset + length, what) : readBase256(block, offset, offset + length, what);
}

function readOctal(block: Uint8Array, start: number, end: number, what: string): number {
  let at = start;
  let stop = end;
  while (at < stop && isBlank(block[at])) at++;
  while (stop > at && isBlank(block[stop - 1])) stop--;
  let value = 0;
  for (; at < stop; at++) {
    const digit = (block[at] ?? 0) - 0x30;
    // digits, then a NUL: what follows it is a leftover, as C programs read it
    if (block[at] === 0) break;
    if (digit < 0 || digit > 7) throw malformed(`a header's ${what} is not octal`);
    value = value * 8 + digit;
  }
  return value;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0;
}

function readBase256(block: Uint8Array, start: number, end: number, what: string): number {
  const first = block[start] ?? 0;
  const negative = (first & 0x40) !== 0;
  // the first bit is the mark, the second the sign
  let value = negative ? (first | 0x80) - 0x100 : first & 0x7f;
  for (let i = start + 1; i < end; i++) {
    value = value * 256 + (block[i] ?? 0);
    if (!Number.isSafeInteger(value)) throw malformed(`a header's ${what} is too large`);
  }
  return value;
}

/** Whether `value` fits a field of `length` (8 or 12) bytes: an octal digit in each but the last. */
export function fitsOctal(value: number, length: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value < (length === 8 ? 0o10000000 : 0o100000000000);
}

/** Writes zero-filled octal digits and a NUL. */
export function writeOctal(block: Uint8Array, [offset, length]: TarField, value: number): void {
  let rest = value;
  for (let i = offset + length - 2; i >= offset; i--) {
    block[i] = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
  }
  block[offset + length - 1] = 0;
}

/** Writes a non-negative number in GNU's base-256. */
export function writeBase256(block: Uint8Array, [offset, length]: TarField, value: number): void {
  let rest = value;
  for (let i = offset + length - 1; i > offset; i--) {
    block[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  block[offset] = 0x80;
}

/** Writes a byte string, cut at the field's length. */
export function writeText(block: Uint8Array, [offset, length]: TarField, text: string): void {
  const stop = Math.min(length, text.length);
  for (let i = 0; i < stop; i++) block[offset + i] = text.charCodeAt(i);
}

/** The header checksum, its own field taken as spaces: by unsigned bytes, and by signed ones as old programs had it. */
export function headerChecksums(block: Uint8Array): { readonly unsigned: number; readonly signed: number } {
  let unsigned = 0;
  let high = 0;
  for (let i = 0; i < TAR_BLOCK; i++) {
    const byte = i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0);
    unsigned += byte;
    if (byte > 0x7f) high++;
  }
  return { unsigned, signed: unsigned - 256 * high };
}

/** An ARCHIVE_MALFORMED_TAR. */
export function malformed(message: string): VarveError {
  return new VarveError("ARCHIVE_MALFORMED_TAR", message, { hint: "the archive is damaged, or was made to confuse its readers" });
}
