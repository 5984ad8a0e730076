import type { RowReference, RowSpace } from "./stored-tree.ts";

const EMPTY = -1;
const GONE = -2;

/**
 * Rows found by their names, which the rows themselves say: sixteen to forty bytes each, where a map of strings takes a hundred and fifty. Open
 * addressing, at most half full.
 */
export class RowNames {
  readonly #rows: RowSpace;
  #slots: Float64Array<ArrayBuffer>;
  /** Slots that are not empty. */
  #taken = 0;
  #size = 0;

  constructor(rows: RowSpace, references: readonly RowReference[]) {
    this.#rows = rows;
    this.#slots = emptySlots(references.length);
    for (const reference of references) this.#insert(reference);
  }

  get size(): number {
    return this.#size;
  }

  get(name: string): RowReference | undefined {
    const slot = this.#find(name);
    return slot < 0 ? undefined : this.#slots[slot];
  }

  /** Puts a row, whose name `name` is, in place of the one of that name. */
  set(name: string, reference: RowReference): void {
    const slot = this.#find(name);
    if (slot >= 0) this.#slots[slot] = reference;
    else {
      if (2 * (this.#taken + 1) > this.#slots.length) this.#grow();
      this.#insert(reference);
    }
  }

  delete(name: string): void {
    const slot = this.#find(name);
    if (slot < 0) return;
    this.#slots[slot] = GONE;
    this.#size--;
  }

  /** All rows, in the order of their names. */
  sorted(): readonly RowReference[] {
    const named = this.#references().map((reference) => ({ name: this.#rows.name(reference) as string, reference }));
    return named.sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ reference }) => reference);
  }

  #references(): RowReference[] {
    return [...this.#slots].filter((reference) => reference >= 0);
  }

  #grow(): void {
    const references = this.#references();
    this.#slots = emptySlots(references.length);
    this.#taken = 0;
    this.#size = 0;
    for (const reference of references) this.#insert(reference);
  }

  #insert(reference: RowReference): void {
    const mask = this.#slots.length - 1;
    let slot = mixed(this.#rows.name(reference)) & mask;
    while (this.#slots[slot] !== EMPTY) slot = (slot + 1) & mask;
    this.#slots[slot] = reference;
    this.#taken++;
    this.#size++;
  }

  #find(name: string): number {
    const mask = this.#slots.length - 1;
    for (let slot = mixed(name) & mask; ; slot = (slot + 1) & mask) {
      const reference = this.#slots[slot] ?? EMPTY;
      if (reference === EMPTY) return -1;
      if (reference !== GONE && this.#rows.table(reference).compareName(this.#rows.row(reference), name) === 0) return slot;
    }
  }
}

/** For as many rows again. */
function emptySlots(rows: number): Float64Array<ArrayBuffer> {
  return new Float64Array(2 ** Math.ceil(Math.log2(4 * rows + 16))).fill(EMPTY);
}

/** FNV-1a, its bits mixed once more. */
function mixed(name: string): number {
  let mix = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) mix = Math.imul(mix ^ name.charCodeAt(i), 0x01000193);
  mix = Math.imul(mix ^ (mix >>> 16), 0x7feb352d);
  return mix ^ (mix >>> 15);
}
