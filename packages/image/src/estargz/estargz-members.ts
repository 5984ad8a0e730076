import { createSha256, encodeTarHeader, readTar, type TarHeader, tarPadding } from "@varve/archive";
import { type ByteStream, concatBytes, toBytePath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { IOOptions } from "@varve/oci";
import { fieldsOf, type Toc, TOC_NAME, type TocRow } from "./estargz-toc.ts";

/** Bytes of content in a gzip member; a file of more is cut into chunks. */
const CHUNK = 4 * 1024 * 1024;
/** Says that no file is to be fetched ahead ("Landmark Files"). */
const NO_PREFETCH = ".no.prefetch.landmark";
const LANDMARK = Uint8Array.of(0xf);
const RESERVED: ReadonlySet<string> = new Set([TOC_NAME, NO_PREFETCH, ".prefetch.landmark"]);

const PLAIN = { mode: 0o644, uid: 0, gid: 0, mtime: 0, linkName: toBytePath(""), deviceMajor: 0, deviceMinor: 0, userName: "", groupName: "" } as const;

/** The header of a file that belongs to the format. */
export function ownHeader(name: string, size: number): TarHeader {
  return { ...PLAIN, name: toBytePath(name), type: "file", size, xattrs: new Map() };
}

/** How {@link cutMembers} treats what it reads. */
export interface CutOptions extends IOOptions {
  readonly toc: Toc;
  /** The tar is of an eStargz blob: its table and landmark are left out. Otherwise files of their names are IMAGE_OUTPUT. */
  readonly isEstargz: boolean;
}

/**
 * A layer's tar, without its end, as the pieces that each become one gzip member: a new one begins at every content and within it at every 4 MiB; headers
 * ride with the content before them. Rows go into the table as their entries pass. Owns `tar`.
 */
export async function* cutMembers(tar: ByteStream, options: CutOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const { toc } = options;
  let pieces: Uint8Array[] = [];
  let size = 0;
  let member = 0;
  const put = (bytes: Uint8Array): void => {
    pieces.push(bytes);
    size += bytes.length;
  };
  const close = (): Uint8Array => {
    const bytes = concatBytes(pieces);
    pieces = [];
    size = 0;
    member += 1;
    return bytes;
  };
  async function* putFile(header: TarHeader, content: ByteStream): AsyncGenerator<Uint8Array, void, undefined> {
    put(encodeTarHeader(header));
    const described = fieldsOf(header);
    let row: TocRow | undefined;
    const whole = createSha256();
    let chunkOffset = 0;
    for await (const chunk of chunksOf(content)) {
      yield close();
      const digest = createSha256();
      digest.update(chunk);
      whole.update(chunk);
      const isLast = chunkOffset + chunk.length === header.size;
      const fields = {
        ...(row === undefined ? described : { name: described["name"], type: "chunk" }),
        ...(chunkOffset === 0 ? {} : { chunkOffset }),
        ...(isLast ? {} : { chunkSize: chunk.length }),
        chunkDigest: `sha256:${digest.hex()}`,
      };
      const next: TocRow = { member, fields, awaitsDigest: row === undefined };
      toc.add(next);
      row ??= next;
      chunkOffset += chunk.length;
      put(chunk);
    }
    if (row !== undefined) row.digest = `sha256:${whole.hex()}`;
    put(tarPadding(header.size));
  }
  yield* putFile(ownHeader(NO_PREFETCH, LANDMARK.length), bytesOf(LANDMARK));
  for await (const { header, content } of readTar(tar, options)) {
    if (RESERVED.has(header.name.replace(/^(?:\.?\/)+/, ""))) {
      if (options.isEstargz) continue;
      throw new VarveError("IMAGE_OUTPUT", `an estargz layer cannot hold a file of its own named ${header.name}`, { hint: "the format needs that name" });
    }
    if (header.type === "file" && header.size > 0) yield* putFile(header, content);
    else {
      toc.add({ fields: fieldsOf(header), awaitsDigest: false });
      put(encodeTarHeader(header));
      if (size >= CHUNK) yield close();
    }
  }
  yield close();
}

async function* bytesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

/** A stream in pieces of {@link CHUNK} bytes, the last one with what is left. */
async function* chunksOf(stream: ByteStream): AsyncGenerator<Uint8Array, void, undefined> {
  let pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of stream) {
    let rest = piece;
    while (size + rest.length >= CHUNK) {
      const now = rest.subarray(0, CHUNK - size);
      rest = rest.subarray(now.length);
      yield concatBytes([...pieces, now]);
      pieces = [];
      size = 0;
    }
    if (rest.length > 0) pieces.push(rest);
    size += rest.length;
  }
  if (size > 0) yield concatBytes(pieces);
}
