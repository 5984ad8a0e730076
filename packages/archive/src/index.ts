export { type Codec, type CodecOptions, type CodecType, codecTypeOf, compressPiece, createCodec, encodingFits } from "./codec.ts";
export { type Compression, decompress, sniffCompression, SNIFF_LENGTH } from "./compression.ts";
export { crc32 } from "./crc32.ts";
export { createSha256, createSizedSha256, type Sha256, sha256Hex, sha256HexAside } from "./sha256.ts";
export { TAR_BLOCK, TAR_END, tarPadding } from "./tar-block.ts";
export type { TarEntryType, TarHeader } from "./tar-entry.ts";
export { readTar, type ReadTarOptions, type TarReadEntry } from "./tar-reader.ts";
export { fitsPlainHeader, type PlainHeader, writePlainHeader } from "./tar-plain-header.ts";
export { encodeTarHeader } from "./tar-writer.ts";
