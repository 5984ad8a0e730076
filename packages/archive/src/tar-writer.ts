import { type BytePath, bytePathToBytes } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { encodePaxRecords } from "./pax-record.ts";
import { FIELDS, fitsOctal, headerChecksums, TAR_BLOCK, tarPadding, TYPE_FLAG, writeBase256, writeOctal, writeText } from "./tar-block.ts";
import type { TarEntryType, TarHeader } from "./tar-entry.ts";

const FLAGS: Readonly<Record<TarEntryType, string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};
/** Of the slabs that blocks are cut from: a buffer of its own for each costs more than its bytes, and layers have millions. */
const SLAB = 128 * TAR_BLOCK;
let slab = new Uint8Array(SLAB);
let used = 0;
const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * The header blocks of an entry: one ustar block, preceded by a PAX header where the entry has xattrs or values that ustar can't
 * hold. Equal headers give equal bytes. Content, then {@link tarPadding}, follow. Throws ARCHIVE_UNENCODABLE.
 */
export function encodeTarHeader(header: TarHeader): Uint8Array {
  if (fitsBlock(header)) return encodeBlock(header);
  const records = paxRecords(header);
  if (records.size === 0) return encodeBlock(header);
  const content = encodePaxRecords(records);
  const padding = tarPadding(content.length);
  const out = new Uint8Array(TAR_BLOCK + content.length + padding.length + TAR_BLOCK);
  out.set(encodeExtensionBlock(header, content.length), 0);
  out.set(content, TAR_BLOCK);
  out.set(encodeBlock(header), TAR_BLOCK + content.length + padding.length);
  return out;
}

/** Whether the header surely needs no PAX record: what nearly all are. */
function fitsBlock(header: TarHeader): boolean {
  return (
    header.name.length <= FIELDS.name[1] &&
    header.linkName.length <= FIELDS.linkName[1] &&
    header.userName.length < FIELDS.userName[1] &&
    header.groupName.length < FIELDS.groupName[1] &&
    fitsOctal(header.uid, FIELDS.uid[1]) &&
    fitsOctal(header.gid, FIELDS.gid[1]) &&
    fitsOctal(header.size, FIELDS.size[1]) &&
    fitsOctal(header.mtime, FIELDS.mtime[1]) &&
    header.xattrs.size === 0 &&
    !header.name.includes("\0") &&
    !header.linkName.includes("\0") &&
    !header.userName.includes("\0") &&
    !header.groupName.includes("\0")
  );
}

function paxRecords(header: TarHeader): Map<string, string> {
  const records = new Map<string, string>();
  const text = (key: string, value: string, fits: boolean): void => {
    if (value.includes("\0")) throw new VarveError("ARCHIVE_UNENCODABLE", `the ${key} of entry ${JSON.stringify(header.name.slice(0, 200))} holds a NUL`);
    if (fits) return;
    records.set(key, value);
    if (!isUtf8(value)) records.set("hdrcharset", "BINARY");
  };
  text("path", header.name, splitName(header.name) !== undefined);
  text("linkpath", header.linkName, header.linkName.length <= FIELDS.linkName[1]);
  text("uname", header.userName, header.userName.length < FIELDS.userName[1]);
  text("gname", header.groupName, header.groupName.length < FIELDS.groupName[1]);
  const number = (key: string, value: number, length: number): void => {
    if (!fitsOctal(value, length)) records.set(key, decimal(value));
  };
  number("uid", header.uid, FIELDS.uid[1]);
  number("gid", header.gid, FIELDS.gid[1]);
  number("size", header.size, FIELDS.size[1]);
  number("mtime", header.mtime, FIELDS.mtime[1]);
  for (const [name, value] of header.xattrs) {
    if (name === "" || /[=\0]/.test(name)) throw new VarveError("ARCHIVE_UNENCODABLE", `xattr name ${JSON.stringify(name)} cannot be stored in a tar`);
    records.set(`SCHILY.xattr.${name}`, byteString(value));
  }
  return records;
}

/** Without an exponent, which PAX numbers don't have. */
function decimal(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(9).replace(/0+$/, "");
}

function isUtf8(text: string): boolean {
  try {
    strictUtf8.decode(bytePathToBytes(text as BytePath));
    return true;
  } catch {
    return false;
  }
}

function byteString(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** The name as ustar's prefix and name; `undefined` when it doesn't fit. */
function splitName(name: string): { readonly prefix: string; readonly name: string } | undefined {
  if (name.length <= FIELDS.name[1]) return { prefix: "", name };
  // the latest slash that the prefix has room for leaves the shortest name
  const slash = name.lastIndexOf("/", Math.min(FIELDS.prefix[1], name.length - 2));
  if (slash <= 0 || name.length - slash - 1 > FIELDS.name[1]) return undefined;
  return { prefix: name.slice(0, slash), name: name.slice(slash + 1) };
}

function encodeBlock(header: TarHeader): Uint8Array {
  const block = freshBlock();
  const split = splitName(header.name) ?? { prefix: "", name: header.name };
  writeText(block, FIELDS.name, split.name);
  writeText(block, FIELDS.prefix, split.prefix);
  writeText(block, FIELDS.linkName, header.linkName);
  // a value that is in a PAX record is zero here, as Go writes it
  const number = (field: readonly [number, number], value: number): void => writeOctal(block, field, fitsOctal(value, field[1]) ? value : 0);
  number(FIELDS.mode, header.mode);
  number(FIELDS.uid, header.uid);
  number(FIELDS.gid, header.gid);
  number(FIELDS.size, header.size);
  number(FIELDS.mtime, header.mtime);
  if (header.userName.length < FIELDS.userName[1]) writeText(block, FIELDS.userName, header.userName);
  if (header.groupName.length < FIELDS.groupName[1]) writeText(block, FIELDS.groupName, header.groupName);
  writeDevice(block, FIELDS.deviceMajor, header.deviceMajor);
  writeDevice(block, FIELDS.deviceMinor, header.deviceMinor);
  return finishBlock(block, FLAGS[header.type]);
}

/** PAX has no record for device numbers; those past 21 bits take GNU's form, which every reader knows. */
function writeDevice(block: Uint8Array, field: readonly [number, number], value: number): void {
  if (fitsOctal(value, field[1])) writeOctal(block, field, value);
  else writeBase256(block, field, value);
}

function encodeExtensionBlock(header: TarHeader, size: number): Uint8Array {
  const block = freshBlock();
  const base = header.name.replace(/\/+$/, "");
  writeText(block, FIELDS.name, `PaxHeaders.0/${base.slice(base.lastIndexOf("/") + 1)}`);
  writeOctal(block, FIELDS.mode, 0o644);
  for (const field of [FIELDS.uid, FIELDS.gid, FIELDS.mtime, FIELDS.deviceMajor, FIELDS.deviceMinor]) writeOctal(block, field, 0);
  writeOctal(block, FIELDS.size, size);
  return finishBlock(block, "x");
}

/** Zeros that nobody else has. */
function freshBlock(): Uint8Array {
  if (used === SLAB) {
    slab = new Uint8Array(SLAB);
    used = 0;
  }
  used += TAR_BLOCK;
  return slab.subarray(used - TAR_BLOCK, used);
}

function finishBlock(block: Uint8Array, flag: string): Uint8Array {
  block[TYPE_FLAG] = flag.charCodeAt(0);
  writeText(block, [257, 8], "ustar\x0000");
  const checksum = headerChecksums(block).unsigned;
  writeText(block, FIELDS.checksum, `${checksum.toString(8).padStart(6, "0")}\0 `);
  return block;
}
