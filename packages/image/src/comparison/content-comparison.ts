import type { ByteStream } from "@varve/bytes";

/** Where two contents part, and what each says there. */
export interface ContentDifference {
  /** Bytes from the start; the shorter one's length when it is the other's beginning. */
  readonly offset: number;
  /** Some bytes from there on, in quotes; `undefined` at the end. */
  readonly first: string | undefined;
  readonly second: string | undefined;
}

/** Bytes that are shown. */
const EXCERPT = 24;

/** The first difference of two contents that do differ. Reads no further than it must; frees both. */
export async function firstDifference(first: ByteStream, second: ByteStream): Promise<ContentDifference> {
  const left = new Window(first);
  const right = new Window(second);
  try {
    for (let offset = 0; ;) {
      await Promise.all([left.fill(1), right.fill(1)]);
      const length = Math.min(left.bytes.length, right.bytes.length);
      let same = 0;
      while (same < length && left.bytes[same] === right.bytes[same]) same++;
      offset += same;
      left.drop(same);
      right.drop(same);
      if (same < length || length === 0) {
        await Promise.all([left.fill(EXCERPT), right.fill(EXCERPT)]);
        return { offset, first: excerpt(left.bytes), second: excerpt(right.bytes) };
      }
    }
  } finally {
    await Promise.all([left.close(), right.close()]);
  }
}

/** The bytes of a stream that were not compared yet. */
class Window {
  readonly #source: AsyncIterator<Uint8Array>;
  bytes: Uint8Array = new Uint8Array(0);

  constructor(stream: ByteStream) {
    this.#source = stream[Symbol.asyncIterator]();
  }

  /** Holds `size` bytes then, fewer only at the end. */
  async fill(size: number): Promise<void> {
    while (this.bytes.length < size) {
      const next = await this.#source.next();
      if (next.done === true) return;
      this.bytes = this.bytes.length === 0 ? next.value : Buffer.concat([this.bytes, next.value]);
    }
  }

  drop(size: number): void {
    this.bytes = this.bytes.subarray(size);
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }
}

function excerpt(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return undefined;
  const shown = bytes.subarray(0, EXCERPT);
  const text = Buffer.from(shown)
    .toString("latin1")
    .replaceAll(/[^\x20-\x7e]|["\\]/g, (c) => (c === "\n" ? "\\n" : `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`));
  return `"${text}"${bytes.length > EXCERPT ? "…" : ""}`;
}
