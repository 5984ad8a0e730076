import { sha256HexAside } from "@varve/archive";
import { giveRoom, takeRoom } from "@varve/bytes";
import { digestFromHex, type IOOptions } from "@varve/oci";
import type { ContentBatches, ContentRef, FilledBytes, PlacedFiles } from "./content-ref.ts";
import type { LayerEntry } from "./layer-entry.ts";
import type { Segment } from "./layer-index.ts";
import type { TarSegment } from "./segment-compression.ts";
import type { SegmentCuts } from "./segment-cuts.ts";

/** A content that is read when its segment is complete. */
interface Gap {
  readonly ref: ContentRef;
  /** From the segment's start. */
  readonly offset: number;
}

/** A segment of a tar whose bytes are being gathered. */
export interface SegmentDraft {
  /** Of its first byte in the tar. */
  readonly offset: number;
  /**
   * The segment of an earlier layer that this one is, as far as states of files tell: where its bytes have the same size and CRC, they are not hashed. Without a
   * CRC, and where they differ, they are.
   */
  readonly expected?: Segment | undefined;
  size: number;
  /** In place of pieces and gaps: writes all of it but contents, and says which go where. */
  readonly lay?: (bytes: Uint8Array) => PlacedFiles;
  /** `room` is done with when the piece and all before it are: a cut may divide what lies in it. */
  readonly pieces: { readonly bytes: Uint8Array; readonly offset: number; readonly room?: Uint8Array }[];
  readonly gaps: Gap[];
  /** Of the entries that end here; with the number of a gap when that gives the digest. */
  readonly records: { readonly record: LayerEntry; readonly gap?: number }[];
}

/** A segment with all its bytes, and what the index says of the entries that end in it. */
export interface CompleteSegment {
  readonly segment: TarSegment;
  readonly records: readonly LayerEntry[];
}

/** Gathers a tar into drafts of its segments. */
export class SegmentAssembly {
  readonly #cuts: SegmentCuts;
  readonly #complete: SegmentDraft[] = [];
  #draft: SegmentDraft = draftAt(0);

  constructor(cuts: SegmentCuts) {
    this.#cuts = cuts;
  }

  /** Bytes of the tar so far. */
  get position(): number {
    return this.#draft.offset + this.#draft.size;
  }

  /** Adds bytes, which must not change any more. */
  add(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0;) {
      const room = this.#cuts.after(this.#draft.offset) - this.position;
      const now = rest.length <= room ? rest : rest.subarray(0, room);
      rest = rest.subarray(now.length);
      this.#draft.pieces.push({ bytes: now, offset: this.#draft.size, ...(rest.length === 0 ? { room: bytes } : {}) });
      this.#grow(now.length);
    }
  }

  /** Leaves room for a content, which no cut may divide; gives its number in {@link record}. */
  leave(ref: ContentRef): number {
    const gap = this.#draft.gaps.push({ ref, offset: this.#draft.size }) - 1;
    this.#draft.size += ref.size;
    return gap;
  }

  /** An entry for the index; it belongs to the draft that is being gathered. */
  record(record: LayerEntry, gap?: number): void {
    this.#draft.records.push(gap === undefined ? { record } : { record, gap });
  }

  /** Ends the draft when there is a cut here. */
  settle(): void {
    this.#grow(0);
  }

  /** Ends the last draft. */
  end(): void {
    if (this.#draft.size > 0 || this.#draft.records.length > 0) this.#complete.push(this.#draft);
  }

  take(): SegmentDraft | undefined {
    return this.#complete.shift();
  }

  #grow(by: number): void {
    this.#draft.size += by;
    if (this.#cuts.after(this.#draft.offset) > this.position) return;
    this.#complete.push(this.#draft);
    this.#draft = draftAt(this.position);
  }
}

function draftAt(offset: number): SegmentDraft {
  return { offset, size: 0, pieces: [], gaps: [], records: [] };
}

/** Brings the bytes of a draft together in room of their own, reads what is missing, and hashes it. */
export async function completeSegment(draft: SegmentDraft, batches: ContentBatches | undefined, options: IOOptions): Promise<CompleteSegment> {
  // pieces and gaps fill all of it, or what lays it out does
  const bytes = batches === undefined ? new Uint8Array(draft.size) : takeRoom(draft.size);
  for (const piece of draft.pieces) {
    bytes.set(piece.bytes, piece.offset);
    if (piece.room !== undefined) giveRoom(piece.room);
  }
  const { digests, whole, crc32 } = await fillDraft(bytes, draft, batches, options);
  const records = draft.records.map(({ record, gap }) => {
    const digest = gap === undefined ? undefined : digests[gap];
    return digest === undefined ? record : { ...record, digest };
  });
  return { segment: { offset: draft.offset, bytes, digest: whole, crc32 }, records };
}

async function fillDraft(
  bytes: Uint8Array,
  { lay, gaps, expected }: SegmentDraft,
  batches: ContentBatches | undefined,
  options: IOOptions,
): Promise<FilledBytes> {
  const how = { ...options, expected: expected?.size === bytes.length ? expected : undefined };
  if (lay !== undefined && batches?.readFiles !== undefined) return { ...(await batches.readFiles(bytes, lay(bytes), how)), digests: [] };
  if (lay === undefined && batches !== undefined) return batches.readInto(bytes, gaps, how);
  if (lay !== undefined || gaps.length > 0) throw new TypeError("a content was left to a reader that reads none at once");
  return { digests: [], whole: digestFromHex(await sha256HexAside(bytes)) };
}
