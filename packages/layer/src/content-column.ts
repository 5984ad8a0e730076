import type { BytePath } from "@varve/bytes";
import type { DiffID } from "@varve/oci";
import { ByteColumn } from "./byte-column.ts";
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

/** Where the bytes of each row are, in columns; forms that few rows have are kept as objects. */
export class ContentColumn {
  #kind = new Uint8Array(16);
  /** Of a layer's content the offset, of a file on disk where its path starts in `#paths`, of a listed one its number. */
  #offset = new Float64Array(16);
  /** The number of the layer or list. */
  #layer = new Uint16Array(16);
  #digest = new Uint8Array(0);
  #stat = new BigUint64Array(0);
  readonly #layers: DiffID[] = [];
  readonly #lists: DiskList[] = [];
  readonly #paths = new ByteColumn();
  readonly #others = new Map<number, ContentRef>();

  set(at: number, content: ContentRef | undefined, size: number): void {
    if (at >= this.#kind.length) this.#resize(Math.max(at + 1, this.#kind.length * 2));
    if (content === undefined) this.#kind[at] = NONE;
    else if (content.kind === "layer" && content.size === size && numberOf(this.#layers, content.diffID) < 0xffff) this.#setLayer(at, content);
    else if (content instanceof ListedContent && content.size === size && numberOf(this.#lists, content.list) < 0xffff) {
      this.#kind[at] = LISTED;
      this.#offset[at] = content.at;
      this.#layer[at] = numberOf(this.#lists, content.list);
    } else if (content.kind === "disk" && content.size === size && content.path.length < 0xffff && this.#setStat(at, content.stat)) {
      this.#kind[at] = DISK;
      this.#offset[at] = this.#paths.append(content.path);
    } else {
      this.#kind[at] = OTHER;
      this.#others.set(at, content);
    }
  }

  get(at: number, size: number): ContentRef | undefined {
    switch (this.#kind[at]) {
      case LAYER:
      case LAYER_WITH_DIGEST: {
        const diffID = this.#layers[this.#layer[at] ?? 0] as DiffID;
        const offset = this.#offset[at] ?? 0;
        if (this.#kind[at] === LAYER) return { kind: "layer", diffID, offset, size };
        return { kind: "layer", diffID, offset, size, digest: digestFromBytes(this.#digest, 32 * at) };
      }
      case DISK:
        return { kind: "disk", path: this.#paths.read(this.#offset[at] ?? 0) as BytePath, size, stat: this.#getStat(at) };
      case LISTED:
        return new ListedContent(this.#lists[this.#layer[at] ?? 0] as DiskList, this.#offset[at] ?? 0);
      case OTHER:
        return this.#others.get(at);
      default:
        return undefined;
    }
  }

  trim(rows: number): void {
    this.#resize(rows);
    this.#paths.trim();
  }

  #setLayer(at: number, content: Extract<ContentRef, { kind: "layer" }>): void {
    this.#offset[at] = content.offset;
    this.#layer[at] = numberOf(this.#layers, content.diffID);
    this.#kind[at] = content.digest === undefined ? LAYER : LAYER_WITH_DIGEST;
    if (content.digest === undefined) return;
    if (this.#digest.length === 0) this.#digest = new Uint8Array(32 * this.#kind.length);
    digestToBytes(content.digest, this.#digest, 32 * at);
  }

  #setStat(at: number, stat: DiskStat): boolean {
    if (this.#stat.length === 0) this.#stat = new BigUint64Array(STAT_FIELDS * this.#kind.length);
    const device = BigInt(stat.device);
    const inode = BigInt(stat.inode);
    const mtime = BigInt(stat.mtimeNs);
    const ctime = BigInt(stat.ctimeNs);
    if (BigInt.asUintN(64, device) !== device || BigInt.asUintN(64, inode) !== inode) return false;
    if (BigInt.asIntN(64, mtime) !== mtime || BigInt.asIntN(64, ctime) !== ctime) return false;
    // times may be negative; the column wraps them and `#getStat` unwraps
    this.#stat.set([device, inode, mtime, ctime], STAT_FIELDS * at);
    return true;
  }

  #getStat(at: number): DiskStat {
    const [device = 0n, inode = 0n, mtime = 0n, ctime = 0n] = this.#stat.subarray(STAT_FIELDS * at, STAT_FIELDS * (at + 1));
    return { device: String(device), inode: String(inode), mtimeNs: String(BigInt.asIntN(64, mtime)), ctimeNs: String(BigInt.asIntN(64, ctime)) };
  }

  #resize(rows: number): void {
    const kept = Math.min(rows, this.#kind.length);
    const kind = new Uint8Array(rows);
    kind.set(this.#kind.subarray(0, kept));
    const offset = new Float64Array(rows);
    offset.set(this.#offset.subarray(0, kept));
    const layer = new Uint16Array(rows);
    layer.set(this.#layer.subarray(0, kept));
    if (this.#digest.length > 0) {
      const digest = new Uint8Array(32 * rows);
      digest.set(this.#digest.subarray(0, 32 * kept));
      this.#digest = digest;
    }
    if (this.#stat.length > 0) {
      const stat = new BigUint64Array(STAT_FIELDS * rows);
      stat.set(this.#stat.subarray(0, STAT_FIELDS * kept));
      this.#stat = stat;
    }
    [this.#kind, this.#offset, this.#layer] = [kind, offset, layer];
  }
}

/** Where `item` stands among the known; it is added when it is new. Rows of one table nearly always have the last that was seen. */
function numberOf<T>(known: T[], item: T): number {
  const last = known.length - 1;
  if (last >= 0 && known[last] === item) return last;
  const at = known.indexOf(item);
  return at >= 0 ? at : known.push(item) - 1;
}
