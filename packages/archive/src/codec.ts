import { VarveError } from "@varve/errors";
import { compressGzip, compressZstd, GZIP_LIBRARY, ZSTD_LIBRARY, ZSTD_REMEDY } from "#platform";
import { compressGzipPortably, PORTABLE_GZIP } from "./gzip-portable.ts";

/** What a {@link Codec} compresses to. */
export type CodecType = "gzip" | "zstd" | "none";

/** A way to compress pieces so that they can be inflated alone, and together as one stream. */
export interface Codec {
  readonly type: CodecType;
  /** gzip 0 to 9, zstd 1 to 22, none 0. */
  readonly level: number;
  /** Whether the bytes are the same on every platform. */
  readonly portable: boolean;
  /** Type, level, and the library with its version and architecture, e.g. `gzip-6 zlib-1.3.1 x64`. Equal texts give equal bytes. */
  readonly encoding: string;
}

/** What {@link createCodec} makes a codec of. */
export interface CodecOptions {
  /** gzip 0 to 9 (default 6), zstd 1 to 22 (default 3, which 0 means too). */
  readonly level?: number | undefined;
  /** The same bytes on every platform and version, made in JavaScript: about a third as fast; gzip only. */
  readonly portable?: boolean | undefined;
}

const LEVELS: Readonly<Record<CodecType, { readonly min: number; readonly max: number; readonly usual: number }>> = {
  gzip: { min: 0, max: 9, usual: 6 },
  zstd: { min: 0, max: 22, usual: 3 },
  none: { min: 0, max: 0, usual: 0 },
};

/** A codec. Throws ARCHIVE_INVALID_CODEC for a level there is none of, and for zstd where nothing can write it. */
export function createCodec(type: CodecType, options: CodecOptions = {}): Codec {
  const { min, max, usual } = LEVELS[type];
  const level = type === "zstd" && options.level === 0 ? usual : (options.level ?? usual);
  if (!Number.isInteger(level) || level < min || level > max) throw invalidLevel(type, level);
  const portable = options.portable === true;
  return { type, level, portable, encoding: type === "none" ? "none" : `${type}-${level} ${libraryOf(type, portable)}` };
}

function invalidLevel(type: CodecType, level: number): VarveError {
  if (type === "none") return new VarveError("ARCHIVE_INVALID_CODEC", `uncompressed layers have no compression level, ${level} was given`);
  return new VarveError("ARCHIVE_INVALID_CODEC", `${type} has no compression level ${level}`, {
    hint: `levels are ${LEVELS[type].min} to ${LEVELS[type].max}`,
  });
}

function libraryOf(type: "gzip" | "zstd", portable: boolean): string {
  if (type === "gzip") return portable ? PORTABLE_GZIP : GZIP_LIBRARY;
  if (portable) throw new VarveError("ARCHIVE_INVALID_CODEC", "zstd cannot be written portably", { hint: "use gzip, or leave portable out" });
  if (ZSTD_LIBRARY === undefined) throw new VarveError("ARCHIVE_INVALID_CODEC", "zstd cannot be written here", { hint: ZSTD_REMEDY });
  return ZSTD_LIBRARY;
}

/** The type of a {@link Codec.encoding}; `undefined` for a text that is none. */
export function codecTypeOf(encoding: string): CodecType | undefined {
  const [type] = encoding.split("-", 1);
  return type === "gzip" || type === "zstd" || type === "none" ? type : undefined;
}

/** Whether what an encoding made will do for a codec: type and level are its own and, where it is portable, the library too. */
export function encodingFits(encoding: string, codec: Codec): boolean {
  if (encoding === codec.encoding) return true;
  const made = (text: string): string | undefined => text.split(" ", 1)[0];
  return !codec.portable && !encoding.endsWith(PORTABLE_GZIP) && made(encoding) === made(codec.encoding);
}

/**
 * Bytes as one gzip member or one zstd frame; such follow one another to make a file. Without time or system in it: equal bytes and codecs
 * give equal members.
 */
export async function compressPiece(codec: Codec, bytes: Uint8Array): Promise<Uint8Array> {
  if (codec.type === "none") return bytes;
  if (codec.type === "zstd") return compressZstd(bytes, codec.level);
  const member = await (codec.portable ? compressGzipPortably(bytes, codec.level) : compressGzip(bytes, codec.level));
  // "unknown", as Go writes it; zlib's own value differs between systems
  member[9] = 0xff;
  return member;
}
