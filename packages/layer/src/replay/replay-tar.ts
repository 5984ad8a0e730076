import { TAR_BLOCK, tarPadding } from "@varve/archive";
import { type BytePath, bytePathFromBytes } from "@varve/bytes";
import type { IOOptions } from "@varve/oci";
import type { ContentReader, ContentRef, PlacedFiles } from "../content-ref.ts";
import { indexOfEntries } from "../layer-index.ts";
import { type LayerTar, writeDrafts } from "../layer-writer.ts";
import { cutsOf } from "../segment-cuts.ts";
import type { SegmentDraft } from "../segment-draft.ts";
import type { LayerReplay, ReplayedSegment } from "./layer-replay.ts";
import { RecordCursor } from "./record-cursor.ts";

/** Where the files of a replayed layer are on this machine's disk. */
export interface ReplayFiles {
  /** Five a file of the layer, in its order: device, inode, size, mtime and ctime in nanoseconds. */
  readonly states: BigInt64Array<ArrayBuffer>;
  /** A file's path is this and then its path in the layer without the first `strip` bytes. */
  readonly root: BytePath;
  readonly strip: number;
}

const STATE_FIELDS = 5;

interface Source {
  readonly replay: LayerReplay;
  readonly files: ReplayFiles;
  /** `files.root` as bytes. */
  readonly root: Uint8Array;
}

/** The tar of a replayed layer: headers are written where they belong, a segment's files read at once. `reader` reads files in columns. */
export function replayLayerTar(replay: LayerReplay, files: ReplayFiles, reader: ContentReader, options: IOOptions = {}): LayerTar {
  const { entries, entryCount, segments } = replay;
  const source = { replay, files, root: Uint8Array.from(files.root, (character) => character.charCodeAt(0)) };
  const tar = writeDrafts(
    {
      cuts: cutsOf(segments),
      drafts: () => draftSegments(source, reader, options),
      // they are known already
      add: () => {},
      finish: (layer) => indexOfEntries({ ...layer, entryCount }, entries),
    },
    reader,
    options,
  );
  return { ...tar, isNew: segments.some(({ expected }) => expected === undefined) };
}

async function* draftSegments(source: Source, reader: ContentReader, options: IOOptions): AsyncGenerator<SegmentDraft, void, undefined> {
  const { segments } = source.replay;
  for (let i = 0; i < segments.length;) {
    options.signal?.throwIfAborted();
    const segment = segments[i] as ReplayedSegment;
    if (!segment.isLarge) {
      yield { ...emptyDraft(segment), lay: (bytes) => laySegment(source, segment, bytes) };
      i++;
      continue;
    }
    const parts = segments.slice(i, i + countParts(segments, i));
    yield* draftLarge(source, parts, reader, options);
    i += parts.length;
  }
}

function emptyDraft({ offset, size, expected }: ReplayedSegment): SegmentDraft {
  return { offset, size, pieces: [], gaps: [], records: [], ...(expected === undefined ? {} : { expected }) };
}

/** How many segments from here on are of the same large file. */
function countParts(segments: readonly ReplayedSegment[], first: number): number {
  let count = 1;
  while (segments[first + count]?.isLarge === true && segments[first + count]?.record === segments[first]?.record) count++;
  return count;
}

/** Writes all of a segment but contents, and says what contents go where. */
function laySegment({ replay, files, root }: Source, segment: ReplayedSegment, bytes: Uint8Array): PlacedFiles {
  const cursor = new RecordCursor(replay.entries, segment.record, segment.prefix);
  const offsets: number[] = [];
  const wanted: number[] = [];
  const paths = new ByteList();
  let file = segment.file;
  let at = 0;
  while (at < bytes.length && cursor.next()) {
    at += cursor.writeHeader(bytes, at);
    const { size } = cursor;
    if (size > 0) {
      paths.add(root, cursor.name, files.strip, cursor.pathLength);
      offsets.push(at);
      wanted.push(file);
      at += size;
      const end = Math.ceil(at / TAR_BLOCK) * TAR_BLOCK;
      while (at < end) bytes[at++] = 0;
    }
    if (cursor.kind === "file") file++;
  }
  // the end of the tar
  bytes.fill(0, at);
  return { paths: paths.bytes(), offsets: Float64Array.from(offsets), states: statesOf(files, wanted) };
}

function statesOf({ states }: ReplayFiles, wanted: readonly number[]): BigInt64Array<ArrayBuffer> {
  const first = wanted[0] ?? 0;
  // no empty file among them
  if ((wanted.at(-1) ?? -1) - first + 1 === wanted.length) return states.slice(STATE_FIELDS * first, STATE_FIELDS * (first + wanted.length));
  const out = new BigInt64Array(STATE_FIELDS * wanted.length);
  for (const [i, file] of wanted.entries()) out.set(states.subarray(STATE_FIELDS * file, STATE_FIELDS * (file + 1)), STATE_FIELDS * i);
  return out;
}

/** Paths one after the other, a NUL between them. */
class ByteList {
  #bytes = new Uint8Array(8192);
  #length = 0;

  /** Adds `root`, and of `path` what is from one byte to another. */
  add(root: Uint8Array, path: Uint8Array, from: number, to: number): void {
    const needed = this.#length + root.length + to - from + 1;
    if (needed > this.#bytes.length) {
      const bytes = new Uint8Array(2 * needed);
      bytes.set(this.#bytes);
      this.#bytes = bytes;
    }
    if (this.#length > 0) this.#bytes[this.#length++] = 0;
    this.#bytes.set(root, this.#length);
    this.#length += root.length;
    for (let i = from; i < to; i++) this.#bytes[this.#length++] = path[i] ?? 0;
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** A file that has segments of its own, read as it comes. */
async function* draftLarge(
  source: Source,
  parts: readonly ReplayedSegment[],
  reader: ContentReader,
  options: IOOptions,
): AsyncGenerator<SegmentDraft, void, undefined> {
  const [first] = parts;
  if (first === undefined) return;
  let part = 0;
  let draft = emptyDraft(first);
  let filled = 0;
  for await (const bytes of largePieces(source, first, reader, options)) {
    for (let rest = bytes; rest.length > 0;) {
      const now = rest.length <= draft.size - filled ? rest : rest.subarray(0, draft.size - filled);
      rest = rest.subarray(now.length);
      draft.pieces.push({ bytes: now, offset: filled, ...(rest.length === 0 ? { room: bytes } : {}) });
      filled += now.length;
      if (filled < draft.size) continue;
      yield draft;
      draft = emptyDraft(parts[++part] ?? first);
      filled = 0;
    }
  }
}

async function* largePieces(
  { replay, files }: Source,
  segment: ReplayedSegment,
  reader: ContentReader,
  options: IOOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const cursor = new RecordCursor(replay.entries, segment.record, segment.prefix);
  cursor.next();
  const header = new Uint8Array(cursor.headerLength());
  cursor.writeHeader(header, 0);
  yield header;
  const [device = 0n, inode = 0n, , mtimeNs = 0n, ctimeNs = 0n] = files.states.subarray(STATE_FIELDS * segment.file);
  const unsigned = (value: bigint): string => String(BigInt.asUintN(64, value));
  const content: ContentRef = {
    kind: "disk",
    path: `${files.root}${bytePathFromBytes(cursor.path(files.strip))}` as BytePath,
    size: cursor.size,
    stat: { device: unsigned(device), inode: unsigned(inode), mtimeNs: String(mtimeNs), ctimeNs: String(ctimeNs) },
  };
  yield* await reader.open(content, options);
  yield tarPadding(cursor.size);
}
