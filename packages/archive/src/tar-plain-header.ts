import { FIELDS, fitsOctal, TAR_BLOCK, type TarField } from "./tar-block.ts";
import type { TarHeader } from "./tar-entry.ts";
import { encodeTarHeader } from "./tar-writer.ts";

/** What a header says besides its name and link, which {@link writePlainHeader} takes as bytes. */
export type PlainHeader = Pick<TarHeader, "type" | "mode" | "uid" | "gid" | "size" | "mtime">;

const EMPTY: Omit<TarHeader, "type"> = {
  name: "" as TarHeader["name"],
  mode: 0,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 0,
  linkName: "" as TarHeader["linkName"],
  userName: "",
  groupName: "",
  deviceMajor: 0,
  deviceMinor: 0,
  xattrs: new Map(),
};
const DIGIT = 0x30;
/** Fields that are written anew, but for the texts, which are zeros in a template. */
const NUMBERS = [FIELDS.mode, FIELDS.uid, FIELDS.gid, FIELDS.size, FIELDS.mtime] as const;

/** A block that says nothing, and the sum of what of it stays. */
interface Template {
  readonly block: Uint8Array;
  readonly sum: number;
}

const templates = new Map<TarHeader["type"], Template>();

/** Whether a header is one block without a prefix: what {@link writePlainHeader} writes. */
export function fitsPlainHeader({ uid, gid, size, mtime }: PlainHeader, nameLength: number, linkLength: number): boolean {
  return (
    nameLength <= FIELDS.name[1] &&
    linkLength <= FIELDS.linkName[1] &&
    fitsOctal(uid, FIELDS.uid[1]) &&
    fitsOctal(gid, FIELDS.gid[1]) &&
    fitsOctal(size, FIELDS.size[1]) &&
    fitsOctal(mtime, FIELDS.mtime[1])
  );
}

/** Writes the block that `encodeTarHeader` gives, at `at`, without an object or a text for it; the texts hold no NUL. */
export function writePlainHeader(out: Uint8Array, at: number, header: PlainHeader, name: Uint8Array, link: Uint8Array): void {
  const template = templates.get(header.type) ?? makeTemplate(header.type);
  out.set(template.block, at);
  let sum = template.sum;
  sum += writeBytes(out, at + FIELDS.name[0], name);
  sum += writeBytes(out, at + FIELDS.linkName[0], link);
  sum += writeDigits(out, at, FIELDS.mode, header.mode);
  sum += writeDigits(out, at, FIELDS.uid, header.uid);
  sum += writeDigits(out, at, FIELDS.gid, header.gid);
  sum += writeDigits(out, at, FIELDS.size, header.size);
  sum += writeDigits(out, at, FIELDS.mtime, header.mtime);
  // six digits; a NUL and a space follow, as the template has them
  writeDigits(out, at, [FIELDS.checksum[0], 7], sum);
}

function makeTemplate(type: TarHeader["type"]): Template {
  const block = encodeTarHeader({ ...EMPTY, type });
  let sum = 0;
  for (let i = 0; i < TAR_BLOCK; i++) sum += isIn(i, FIELDS.checksum) ? 0x20 : NUMBERS.some((field) => isIn(i, field)) ? 0 : (block[i] ?? 0);
  const made = { block, sum };
  templates.set(type, made);
  return made;
}

function isIn(at: number, [offset, length]: TarField): boolean {
  return at >= offset && at < offset + length;
}

function writeBytes(out: Uint8Array, at: number, bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    out[at + i] = byte;
    sum += byte;
  }
  return sum;
}

function writeDigits(out: Uint8Array, at: number, [offset, length]: TarField, value: number): number {
  let rest = value;
  let sum = 0;
  for (let i = at + offset + length - 2; i >= at + offset; i--) {
    const digit = rest % 8;
    out[i] = DIGIT + digit;
    sum += DIGIT + digit;
    rest = (rest - digit) / 8;
  }
  return sum;
}
