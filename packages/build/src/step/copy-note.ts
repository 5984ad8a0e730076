import { type DiffID, type Digest, isDigest } from "@varve/oci";

/** How a layer was made of a listing: what a step keeps beside it for the next build. */
export interface CopyNote {
  /** What the step was laid on. */
  readonly parent: string;
  readonly diffID: DiffID;
  /** Digest of all of the selection but contents. */
  readonly outline: Digest;
  /** What is copied, relative to the context; bytes. */
  readonly source: string;
  /** Bytes of a path in the layer that its path in `source` has not. */
  readonly strip: number;
  /** Of each row of the listing: {@link UNREAD}, {@link FIXED}, or one more than the number of its entry in the layer. */
  readonly places: Uint32Array;
}

/** The place of what the step doesn't read. */
export const UNREAD = 0;
/** The place of what must not change. */
export const FIXED = 0xffff_ffff;

/** A note as bytes. */
export function encodeCopyNote({ places, ...head }: CopyNote): Uint8Array {
  const text = Buffer.from(JSON.stringify(head));
  const end = Buffer.alloc(4);
  end.writeUInt32LE(text.length);
  return Buffer.concat([new Uint8Array(places.buffer, places.byteOffset, places.byteLength), text, end]);
}

/** What {@link encodeCopyNote} gave; `undefined` for what another version of varve wrote. */
export function decodeCopyNote(bytes: Uint8Array): CopyNote | undefined {
  try {
    const note = Buffer.from(bytes);
    const start = note.length - 4 - note.readUInt32LE(note.length - 4);
    const head = JSON.parse(note.toString("utf8", start, note.length - 4)) as Omit<CopyNote, "places">;
    const fits = isDigest(head.outline) && isDigest(head.diffID) && start % 4 === 0 && Number.isSafeInteger(head.strip);
    return fits ? { ...head, places: new Uint32Array(Uint8Array.from(note.subarray(0, start)).buffer) } : undefined;
  } catch {
    return undefined;
  }
}
