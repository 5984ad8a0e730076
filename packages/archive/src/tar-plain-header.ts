import type { BytePath } from "@varve/bytes";
import { FIELDS, TAR_BLOCK, type TarField } from "./tar-block.ts";
import type { TarHeader } from "./tar-entry.ts";
import { encodeTarHeader } from "./tar-writer.ts";

/** What a header of one block says, texts as bytes. */
export interface PlainHeader extends Pick<TarHeader, "type" | "mode" | "uid" | "gid" | "size" | "mtime"> {
  /** Its first `nameLength` bytes. */
  readonly name: Uint8Array;
  readonly nameLength: number;
  readonly link: Uint8Array;
}

const DIGIT = 0x30;
/** Numbers past these are not octal in a block. */
const [LARGEST, LARGEST_LONG] = [0o7777777, 0o77777777777];

/** A block but for its texts, size, mtime and checksum, and the sum of what of it stays. */
interface Template extends Pick<TarHeader, "type" | "mode" | "uid" | "gid"> {
  readonly block: Uint8Array;
  readonly sum: number;
}

/** Those of the headers that came last: a tree has few kinds of them. */
const templates: Template[] = [];
const KEPT = 8;

/** Whether a header is one block without a prefix: what {@link writePlainHeader} writes. */
export function fitsPlainHeader({ uid, gid, size, mtime, nameLength, link }: PlainHeader): boolean {
  return (
    nameLength <= FIELDS.name[1] &&
    link.length <= FIELDS.linkName[1] &&
    uid <= LARGEST &&
    gid <= LARGEST &&
    size <= LARGEST_LONG &&
    mtime >= 0 &&
    mtime <= LARGEST_LONG
  );
}

/** Writes the block that `encodeTarHeader` gives, at `at`, without an object or a text for it; the texts hold no NUL. */
export function writePlainHeader(out: Uint8Array, at: number, header: PlainHeader): void {
  const template = templateOf(header);
  out.set(template.block, at);
  let sum = template.sum;
  sum += writeBytes(out, at + FIELDS.name[0], header.name, header.nameLength);
  sum += writeBytes(out, at + FIELDS.linkName[0], header.link, header.link.length);
  sum += writeDigits(out, at + FIELDS.size[0], FIELDS.size[1] - 1, header.size);
  sum += writeDigits(out, at + FIELDS.mtime[0], FIELDS.mtime[1] - 1, header.mtime);
  // six digits; a NUL and a space follow, as the template has them
  writeDigits(out, at + FIELDS.checksum[0], 6, sum);
}

function templateOf(header: PlainHeader): Template {
  const { type, mode, uid, gid } = header;
  for (const template of templates) if (template.mode === mode && template.type === type && template.uid === uid && template.gid === gid) return template;
  const made = makeTemplate(header);
  if (templates.unshift(made) > KEPT) templates.pop();
  return made;
}

function makeTemplate({ type, mode, uid, gid }: PlainHeader): Template {
  const nothing = { name: "" as BytePath, linkName: "" as BytePath, userName: "", groupName: "", xattrs: new Map<string, Uint8Array>() };
  const block = encodeTarHeader({ ...nothing, type, mode, uid, gid, size: 0, mtime: 0, deviceMajor: 0, deviceMinor: 0 }).slice();
  let sum = 0;
  for (let i = 0; i < TAR_BLOCK; i++) sum += isIn(i, FIELDS.checksum) ? 0x20 : isIn(i, FIELDS.size) || isIn(i, FIELDS.mtime) ? 0 : (block[i] ?? 0);
  return { type, mode, uid, gid, block, sum };
}

function isIn(at: number, [offset, length]: TarField): boolean {
  return at >= offset && at < offset + length;
}

/** Gives the sum of the bytes. */
function writeBytes(out: Uint8Array, at: number, bytes: Uint8Array, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) {
    const byte = bytes[i] ?? 0;
    out[at + i] = byte;
    sum += byte;
  }
  return sum;
}

/** Writes so many octal digits; gives the sum of them as characters. */
function writeDigits(out: Uint8Array, at: number, count: number, value: number): number {
  let sum = DIGIT * count;
  let i = at + count - 1;
  let rest = value;
  // past 32 bits by floating point
  for (; rest > 0xffff_ffff; i--) {
    const digit = rest % 8;
    out[i] = DIGIT + digit;
    sum += digit;
    rest = (rest - digit) / 8;
  }
  for (let low = rest >>> 0; i >= at; i--) {
    out[i] = DIGIT + (low & 7);
    sum += low & 7;
    low >>>= 3;
  }
  return sum;
}
