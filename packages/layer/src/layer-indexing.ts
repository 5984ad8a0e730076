import { createSizedSha256, readTar, TAR_BLOCK } from "@varve/archive";
import type { ByteStream } from "@varve/bytes";
import { type Digest, digestFromHex, type IOOptions } from "@varve/oci";
import { createLayerIndexBuilder, type LayerIndex } from "./layer-index.ts";
import { checkLayerEntry } from "./layer-entry-check.ts";
import { createSegmentCutter } from "./segment-cuts.ts";
import { createTarDigest, type TarDigest } from "./tar-digest.ts";

/**
 * Reads a layer's uncompressed tar once: entries checked, contents hashed, diffID computed. Nothing is kept but the index. Throws
 * ARCHIVE_* for a tar that can't be read and LAYER_INVALID_ENTRY for one no tree can hold. Owns `tar`.
 */
export async function indexLayer(tar: ByteStream, options: IOOptions = {}): Promise<LayerIndex> {
  const cutter = createSegmentCutter();
  const digest = createTarDigest(cutter);
  const builder = createLayerIndexBuilder();
  for await (const entry of readTar(observed(tar, digest), options)) {
    const { header, offset } = entry;
    const checked = checkLayerEntry(header, offset);
    cutter.entry(entry.headerOffset, offset + Math.ceil(header.size / TAR_BLOCK) * TAR_BLOCK, () => header.name);
    digest.settle(offset);
    const content = header.type === "file" ? await hashContent(entry.content, { offset, size: header.size, digest }) : undefined;
    if (checked !== undefined) builder.add(checked.kind === "file" && content !== undefined ? { ...checked, digest: content } : checked);
  }
  return builder.finish(digest.finish());
}

async function* observed(tar: ByteStream, digest: TarDigest): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of tar) {
    digest.push(piece);
    yield piece;
  }
}

async function hashContent(
  content: ByteStream,
  { offset, size, digest }: { readonly offset: number; readonly size: number; readonly digest: TarDigest },
): Promise<Digest> {
  const hash = createSizedSha256(size);
  let at = offset;
  for await (const piece of content) {
    hash.update(piece);
    at += piece.length;
    digest.settle(at);
  }
  return digestFromHex(hash.hex());
}
