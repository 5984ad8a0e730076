/** References to children of one chunk. */
const CHUNK = 4096;
const SHIFT = 12;
const MASK = CHUNK - 1;
/** Of a directory: its first child in `#children`, how many it has, and how many entries are below it. */
const FIELDS = 3;

/** What directories of a table hold, by their number: references to their children, in order. */
export class DirectoryColumn {
  #below = new Float64Array(0);
  #length = 0;
  /** Of {@link CHUNK} references each, but for the last. */
  readonly #children: Float64Array<ArrayBuffer>[] = [];
  #childrenLength = 0;

  /** A new directory, empty; gives its number. */
  append(): number {
    if (FIELDS * (this.#length + 1) > this.#below.length) this.#below = resized(this.#below, FIELDS * Math.max(4, Math.ceil(this.#length * 1.5)));
    return this.#length++;
  }

  childCount(directory: number): number {
    return this.#below[FIELDS * directory + 1] ?? 0;
  }

  child(directory: number, i: number): number {
    const at = (this.#below[FIELDS * directory] ?? 0) + i;
    return this.#children[at >>> SHIFT]?.[at & MASK] ?? 0;
  }

  /** How many entries are below. */
  below(directory: number): number {
    return this.#below[FIELDS * directory + 2] ?? 0;
  }

  setChildren(directory: number, references: readonly number[], below: number): void {
    this.#below.set([this.#childrenLength, references.length, below], FIELDS * directory);
    for (const reference of references) this.#addChild(reference);
  }

  /** Gives spare memory back. */
  trim(): void {
    this.#below = resized(this.#below, FIELDS * this.#length);
    const last = this.#children.pop();
    if (last !== undefined) this.#children.push(resized(last, this.#childrenLength - CHUNK * this.#children.length));
  }

  #addChild(reference: number): void {
    const at = this.#childrenLength++ & MASK;
    let last = this.#children.at(-1);
    if (last === undefined || at === 0) {
      last = new Float64Array(this.#children.length === 0 ? 16 : CHUNK);
      this.#children.push(last);
    } else if (at === last.length) {
      last = resized(last, 2 * at);
      this.#children[this.#children.length - 1] = last;
    }
    last[at] = reference;
  }
}

function resized(from: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  const to = new Float64Array(length);
  to.set(from.subarray(0, length));
  return to;
}
