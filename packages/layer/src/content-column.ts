import type { BytePath } from "@varve/bytes";
import type { DiffID } from "@varve/oci";
import { ByteColumn } from "./byte-column.ts";
import { CHUNK_MASK, CHUNK_ROWS, CHUNK_SHIFT, chunkRows } from "./chunk-size.ts";
import type { ContentRef, DiskStat } from "./content-ref.ts";
import { digestFromBytes, digestToBytes } from "./hex.ts";
import { type DiskList, ListedContent } from "./listed-content.ts";

const NONE = 0;
const LAYER = 1;
const LAYER_WITH_DIGEST = 2;
const DISK = 3;
const OTHER = 4;
const LISTED = 5;
const STAT_FIELDS = 4;
const DIGEST = 32;

interface ContentChunk {
  readonly kind: Uint8Array<ArrayBuffer>;
  /** Of a layer's content the offset, of a file on disk where its path starts in `#paths`, of a listed one its number. */
  readonly offset: Float64Array<ArrayBuffer>;
  /** The number of the layer or list. */
  readonly layer: Uint16Array<ArrayBuffer>;
  /** Made for the first row that has one. */
  digest: Uint8Array<ArrayBuffer> | undefined;
  /** As `digest`. */
  stat: BigUint64Array<ArrayBuffer> | undefined;
}

/** Where the bytes of each row are, in columns; forms that few rows have are kept as objects. Rows are set in order. */
export class ContentColumn {
  readonly #chunks: ContentChunk[] = [];
  readonly #layers: DiffID[] = [];
  readonly #lists: DiskList[] = [];
  readonly #paths = new ByteColumn();
  readonly #others = new Map<number, ContentRef>();

  set(at: number, content: ContentRef | undefined, size: number): void {
    const chunk = this.#room(at);
    const i = at & CHUNK_MASK;
    if (content === undefined) chunk.kind[i] = NONE;
    else if (content.kind === "layer" && content.size === size && numberOf(this.#layers, content.diffID) < 0xffff) this.#setLayer(chunk, i, content);
    else if (content instanceof ListedContent && content.size === size && numberOf(this.#lists, content.list) < 0xffff) {
      chunk.kind[i] = LISTED;
      chunk.offset[i] = content.at;
      chunk.layer[i] = numberOf(this.#lists, content.list);
    } else if (content.kind === "disk" && content.size === size && content.path.length < 0xffff && setStat(chunk, i, content.stat)) {
      chunk.kind[i] = DISK;
      chunk.offset[i] = this.#paths.append(content.path);
    } else {
      chunk.kind[i] = OTHER;
      this.#others.set(at, content);
    }
  }

  get(at: number, size: number): ContentRef | undefined {
    const chunk = this.#chunks[at >>> CHUNK_SHIFT];
    if (chunk === undefined) return undefined;
    const i = at & CHUNK_MASK;
    switch (chunk.kind[i]) {
      case LAYER:
      case LAYER_WITH_DIGEST: {
        const diffID = this.#layers[chunk.layer[i] ?? 0] as DiffID;
        const offset = chunk.offset[i] ?? 0;
        if (chunk.kind[i] === LAYER || chunk.digest === undefined) return { kind: "layer", diffID, offset, size };
        return { kind: "layer", diffID, offset, size, digest: digestFromBytes(chunk.digest, DIGEST * i) };
      }
      case DISK:
        return { kind: "disk", path: this.#paths.read(chunk.offset[i] ?? 0) as BytePath, size, stat: statOf(chunk, i) };
      case LISTED:
        return new ListedContent(this.#lists[chunk.layer[i] ?? 0] as DiskList, chunk.offset[i] ?? 0);
      case OTHER:
        return this.#others.get(at);
      default:
        return undefined;
    }
  }

  /** Gives spare memory back. */
  trim(rows: number): void {
    if (this.#chunks.length > 0) this.#resizeLast(rows - CHUNK_ROWS * (this.#chunks.length - 1));
    this.#paths.trim();
  }

  #setLayer(chunk: ContentChunk, i: number, content: Extract<ContentRef, { kind: "layer" }>): void {
    chunk.offset[i] = content.offset;
    chunk.layer[i] = numberOf(this.#layers, content.diffID);
    chunk.kind[i] = content.digest === undefined ? LAYER : LAYER_WITH_DIGEST;
    if (content.digest === undefined) return;
    chunk.digest ??= new Uint8Array(DIGEST * chunk.kind.length);
    digestToBytes(content.digest, chunk.digest, DIGEST * i);
  }

  /** The chunk of a new row. */
  #room(at: number): ContentChunk {
    const chunk = at >>> CHUNK_SHIFT;
    const needed = (at & CHUNK_MASK) + 1;
    const last = this.#chunks[chunk];
    if (last !== undefined && needed <= last.kind.length) return last;
    if (last !== undefined) return this.#resizeLast(chunkRows(chunk, needed));
    const made = newChunk(chunkRows(chunk, needed));
    this.#chunks.push(made);
    return made;
  }

  #resizeLast(rows: number): ContentChunk {
    const next = newChunk(rows);
    const last = this.#chunks.pop();
    if (last !== undefined) {
      next.kind.set(last.kind.subarray(0, rows));
      next.offset.set(last.offset.subarray(0, rows));
      next.layer.set(last.layer.subarray(0, rows));
      if (last.digest !== undefined) (next.digest = new Uint8Array(DIGEST * rows)).set(last.digest.subarray(0, DIGEST * rows));
      if (last.stat !== undefined) (next.stat = new BigUint64Array(STAT_FIELDS * rows)).set(last.stat.subarray(0, STAT_FIELDS * rows));
    }
    this.#chunks.push(next);
    return next;
  }
}

function newChunk(rows: number): ContentChunk {
  return { kind: new Uint8Array(rows), offset: new Float64Array(rows), layer: new Uint16Array(rows), digest: undefined, stat: undefined };
}

/** `false` when a state has no place in a column. */
function setStat(chunk: ContentChunk, i: number, stat: DiskStat): boolean {
  const device = BigInt(stat.device);
  const inode = BigInt(stat.inode);
  const mtime = BigInt(stat.mtimeNs);
  const ctime = BigInt(stat.ctimeNs);
  if (BigInt.asUintN(64, device) !== device || BigInt.asUintN(64, inode) !== inode) return false;
  if (BigInt.asIntN(64, mtime) !== mtime || BigInt.asIntN(64, ctime) !== ctime) return false;
  chunk.stat ??= new BigUint64Array(STAT_FIELDS * chunk.kind.length);
  // times may be negative; the column wraps them and `statOf` unwraps
  chunk.stat.set([device, inode, mtime, ctime], STAT_FIELDS * i);
  return true;
}

function statOf({ stat }: ContentChunk, i: number): DiskStat {
  const [device = 0n, inode = 0n, mtime = 0n, ctime = 0n] = stat?.subarray(STAT_FIELDS * i, STAT_FIELDS * (i + 1)) ?? [];
  return { device: String(device), inode: String(inode), mtimeNs: String(BigInt.asIntN(64, mtime)), ctimeNs: String(BigInt.asIntN(64, ctime)) };
}

/** Where `item` stands among the known; it is added when it is new. Rows of one table nearly always have the last that was seen. */
function numberOf<T>(known: T[], item: T): number {
  const last = known.length - 1;
  if (last >= 0 && known[last] === item) return last;
  const at = known.indexOf(item);
  return at >= 0 ? at : known.push(item) - 1;
}
