import type { BytePath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { PaxRecords } from "./pax-record.ts";
import { FIELDS, headerChecksums, malformed, readNumber, readText, TYPE_FLAG } from "./tar-block.ts";
import type { TarEntryType, TarHeader } from "./tar-entry.ts";

/** A header block as it stands, before extended records are applied. */
export interface RawHeader {
  /** The type flag as one character; NUL for those older than POSIX. */
  readonly flag: string;
  readonly name: string;
  readonly size: number;
  readonly block: Uint8Array;
  readonly form: "v7" | "ustar" | "gnu";
}

/** What precedes an entry and changes it. */
export interface Extensions {
  readonly global: PaxRecords;
  readonly local: PaxRecords;
  readonly longName: string | undefined;
  readonly longLink: string | undefined;
}

const TYPES: Readonly<Record<string, TarEntryType | undefined>> = {
  "\0": "file",
  "0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "directory",
  "6": "fifo",
};
const XATTR = "SCHILY.xattr.";
const MAX_ID = 0xffff_ffff;
const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();

/** Reads one header block that is not all zeros. Throws ARCHIVE_MALFORMED_TAR. */
export function readRawHeader(block: Uint8Array): RawHeader {
  const stored = readNumber(block, FIELDS.checksum, "checksum");
  const { unsigned, signed } = headerChecksums(block);
  if (stored !== unsigned && stored !== signed) throw malformed("a header's checksum is wrong");
  const magic = String.fromCharCode(...block.subarray(257, 265));
  const form = magic === "ustar  \0" ? "gnu" : magic.startsWith("ustar\0") ? "ustar" : "v7";
  const name = readText(block, FIELDS.name);
  const prefix = form === "ustar" ? readPrefix(block) : "";
  return {
    flag: String.fromCharCode(block[TYPE_FLAG] ?? 0),
    name: prefix === "" ? name : `${prefix}/${name}`,
    size: readSize(block),
    block,
    form,
  };
}

function readSize(block: Uint8Array): number {
  const size = readNumber(block, FIELDS.size, "size");
  if (size < 0 || !Number.isSafeInteger(size)) throw malformed("a header's size is out of range");
  return size;
}

/** star's form of ustar has a shorter prefix, followed by times, and `tar\0` at the end of the block. */
function readPrefix(block: Uint8Array): string {
  const star = block[508] === 0x74 && block[509] === 0x61 && block[510] === 0x72 && block[511] === 0;
  return readText(block, star ? [345, 131] : FIELDS.prefix);
}

/** The entry that a header and what preceded it describe. Throws ARCHIVE_MALFORMED_TAR or ARCHIVE_UNSUPPORTED_TAR. */
export function decodeHeader(raw: RawHeader, extensions: Extensions): TarHeader {
  const { block } = raw;
  const pax = (key: string): string | undefined => {
    const value = extensions.local.get(key) ?? extensions.global.get(key);
    return value === "" ? undefined : value;
  };
  const name = extensions.longName ?? pax("path") ?? raw.name;
  if (name === "") throw malformed("an entry has no name");
  refuseSparse(raw, extensions, name);
  const stored = TYPES[raw.flag];
  if (stored === undefined) {
    throw new VarveError("ARCHIVE_UNSUPPORTED_TAR", `entry ${JSON.stringify(name.slice(0, 200))} has the unknown type ${JSON.stringify(raw.flag)}`);
  }
  const type = raw.flag === "\0" && name.endsWith("/") ? "directory" : stored;
  const isLink = type === "hardlink" || type === "symlink";
  const isDevice = type === "char" || type === "block";
  const linkName = isLink ? (extensions.longLink ?? pax("linkpath") ?? readText(block, FIELDS.linkName)) : "";
  if (isLink && linkName === "") throw malformed(`link ${JSON.stringify(name.slice(0, 200))} has no target`);
  return {
    name: name as BytePath,
    type,
    mode: readNumber(block, FIELDS.mode, "mode") & 0o7777,
    uid: checkID(paxInteger(pax("uid"), "uid") ?? readNumber(block, FIELDS.uid, "uid"), "uid"),
    gid: checkID(paxInteger(pax("gid"), "gid") ?? readNumber(block, FIELDS.gid, "gid"), "gid"),
    size: type === "file" ? (paxInteger(pax("size"), "size") ?? raw.size) : 0,
    mtime: paxTime(pax("mtime")) ?? readNumber(block, FIELDS.mtime, "mtime"),
    linkName: linkName as BytePath,
    deviceMajor: isDevice ? checkID(readNumber(block, FIELDS.deviceMajor, "device number"), "device number") : 0,
    deviceMinor: isDevice ? checkID(readNumber(block, FIELDS.deviceMinor, "device number"), "device number") : 0,
    userName: pax("uname") ?? (raw.form === "v7" ? "" : readText(block, FIELDS.userName)),
    groupName: pax("gname") ?? (raw.form === "v7" ? "" : readText(block, FIELDS.groupName)),
    xattrs: readXattrs(extensions),
  };
}

/** Sparse files lie in the archive as pieces; a reader that ignored that would give other bytes than were stored. */
function refuseSparse(raw: RawHeader, extensions: Extensions, name: string): void {
  const marks = (records: PaxRecords): boolean => [...records.keys()].some((key) => key.startsWith("GNU.sparse.") || key === "SCHILY.realsize");
  if (raw.flag !== "S" && (extensions.local.size === 0 || !marks(extensions.local)) && (extensions.global.size === 0 || !marks(extensions.global))) return;
  throw new VarveError("ARCHIVE_UNSUPPORTED_TAR", `entry ${JSON.stringify(name.slice(0, 200))} is stored as a sparse file`, {
    hint: "make the archive without --sparse",
  });
}

function checkID(value: number, what: string): number {
  if (value < 0 || value > MAX_ID) throw malformed(`an entry's ${what} ${value} is out of range`);
  return value;
}

function paxInteger(text: string | undefined, key: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^[0-9]{1,16}$/.test(text) || !Number.isSafeInteger(value)) throw malformed(`PAX record ${key} is not a number`);
  return value;
}

function paxTime(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^-?[0-9]{1,15}(\.[0-9]*)?$/.test(text)) throw malformed("PAX record mtime is not a time");
  return Number(text);
}

function readXattrs(extensions: Extensions): ReadonlyMap<string, Uint8Array> {
  if (extensions.local.size === 0 && extensions.global.size === 0) return NO_XATTRS;
  const found = new Map<string, Uint8Array>();
  for (const [key, value] of [...extensions.global, ...extensions.local]) {
    if (!key.startsWith(XATTR) || key.length === XATTR.length) continue;
    const bytes = new Uint8Array(value.length);
    for (let i = 0; i < value.length; i++) bytes[i] = value.charCodeAt(i);
    found.set(key.slice(XATTR.length), bytes);
  }
  return found.size === 0 ? NO_XATTRS : found;
}
