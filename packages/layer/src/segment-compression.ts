import { type Codec, compressPiece, crc32, createCodec, sha256Hex } from "@varve/archive";
import { type ByteStream, concatBytes, giveRoom } from "@varve/bytes";
import { type Digest, digestFromHex, type IOOptions } from "@varve/oci";
import type { Segment } from "./layer-index.ts";
import { mapInOrder } from "./ordered-work.ts";
import type { SegmentCuts } from "./segment-cuts.ts";

/** One segment of a tar with its bytes. */
export interface TarSegment {
  readonly offset: number;
  readonly digest: Digest;
  /** CRC-32 of `bytes`, where it is known. */
  readonly crc32?: number | undefined;
  readonly bytes: Uint8Array;
}

/** How segments are compressed. */
export interface SegmentCompressionOptions extends IOOptions {
  /** gzip at its usual level by default. */
  readonly codec?: Codec | undefined;
  /** Segments under way at once, each up to 5 MiB and its compressed form; 6 by default. Does not change the bytes. */
  readonly concurrency?: number | undefined;
  /** Gives the compressed form of a segment that an earlier blob of the same encoding holds, checked. */
  readonly reuse?: ((digest: Digest) => Promise<Member | undefined>) | undefined;
}

/** A compressed segment. */
export interface Member {
  readonly bytes: Uint8Array;
  /** CRC-32 of `bytes`. */
  readonly crc32: number;
}

/** A compressed layer, made while it is read. */
export interface CompressedLayer {
  /** The blob's bytes, once: a gzip member or zstd frame per segment. */
  readonly stream: ByteStream;
  /** Compressed size of each segment; complete when the stream was read to its end. */
  readonly sizes: readonly number[];
  /** CRC-32 of each compressed segment; complete as `sizes`. */
  readonly members: readonly number[];
  /** How many segments were compressed, and how many reused; complete as `sizes`. */
  readonly counts: { readonly compressed: number; readonly reused: number };
}

/**
 * Cuts a tar into its segments. Each is held whole: the cuts keep them under 5 MiB. `known` are segments whoever made the tar has hashed already.
 * Owns `tar`.
 */
export async function* segmentTar(tar: ByteStream, cuts: SegmentCuts, known: readonly Segment[] = []): AsyncGenerator<TarSegment, void, undefined> {
  let pieces: Uint8Array[] = [];
  let offset = 0;
  let position = 0;
  let count = 0;
  const take = (bytes: Uint8Array): void => {
    pieces.push(bytes);
    position += bytes.length;
  };
  const close = (): TarSegment => {
    // the writer gives whole segments
    const bytes = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : concatBytes(pieces);
    const told = known[count];
    const isTold = told?.offset === offset && told.size === bytes.length;
    const segment = { offset, digest: isTold ? told.digest : digestFromHex(sha256Hex(bytes)), crc32: isTold ? told.crc32 : undefined, bytes };
    pieces = [];
    offset = position;
    count += 1;
    return segment;
  };
  for await (const piece of tar) {
    let rest = piece;
    for (let cut = cuts.after(offset); position + rest.length >= cut; cut = cuts.after(offset)) {
      const now = cut - position;
      // a whole piece stays the one it is: whoever has room is known by it
      take(now === rest.length ? rest : rest.subarray(0, now));
      rest = rest.subarray(now);
      yield close();
    }
    if (rest.length > 0) take(rest);
  }
  if (position > offset) yield close();
}

/**
 * Compresses segments at the same time (on libuv's threads, on Node) and gives them in order. The bytes depend on segments and codec alone.
 * Owns `segments` and their bytes, whose room it gives back; what the stream gives, the reader may give back as room too.
 */
export function compressSegments(segments: AsyncIterable<TarSegment>, options: SegmentCompressionOptions = {}): CompressedLayer {
  const sizes: number[] = [];
  const members: number[] = [];
  const counts = { compressed: 0, reused: 0 };
  const codec = options.codec ?? createCodec("gzip");
  const compress = async (segment: TarSegment): Promise<Member> => {
    const known = await options.reuse?.(segment.digest);
    if (known !== undefined) {
      counts.reused++;
      giveRoom(segment.bytes);
      return known;
    }
    counts.compressed++;
    const bytes = await compressPiece(codec, segment.bytes);
    if (bytes === segment.bytes) return { bytes, crc32: segment.crc32 ?? crc32(bytes) };
    giveRoom(segment.bytes);
    return { bytes, crc32: crc32(bytes) };
  };
  async function* run(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const member of mapInOrder(segments, compress, options)) {
      sizes.push(member.bytes.length);
      members.push(member.crc32);
      yield member.bytes;
    }
  }
  return { stream: run(), sizes, members, counts };
}

/** {@link segmentTar} and {@link compressSegments} in one. */
export function compressLayer(
  tar: { readonly stream: ByteStream; readonly cuts: SegmentCuts; readonly segments?: readonly Segment[] },
  options: SegmentCompressionOptions = {},
): CompressedLayer {
  return compressSegments(segmentTar(tar.stream, tar.cuts, tar.segments), options);
}
