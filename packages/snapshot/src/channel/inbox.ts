import type { ByteStream } from "@varve/bytes";
import { WINDOW } from "./credit.ts";

/** Data received for one call, in order, until it is used. */
export interface Inbox {
  push(stream: number, chunk: Uint8Array): void;
  end(): void;
  fail(reason: Error): void;
  /** All data whatever its stream; used once read. */
  stream(): ByteStream;
  /** Hands every piece to `consume`, in order; resolves at the end. */
  drain(consume: (stream: number, chunk: Uint8Array) => void | Promise<void>): Promise<void>;
}

/** Bytes used before the sender is told: well below its window, so that it never waits for a message that does not come. */
const TELL = WINDOW / 4;

/** Creates an {@link Inbox}; `tell` says how many bytes the consumer is done with. */
export function createInbox(tell: (size: number) => void): Inbox {
  let untold = 0;
  const used = (size: number): void => {
    untold += size;
    if (untold < TELL) return;
    tell(untold);
    untold = 0;
  };
  const queue: { readonly stream: number; readonly chunk: Uint8Array }[] = [];
  let ended = false;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;
  const notify = (): void => {
    const waiter = wake;
    wake = undefined;
    waiter?.();
  };
  async function* pieces(): AsyncGenerator<{ readonly stream: number; readonly chunk: Uint8Array }, void, undefined> {
    for (;;) {
      const next = queue.shift();
      if (next !== undefined) {
        yield next;
        used(next.chunk.length);
      } else if (failure !== undefined) throw failure;
      else if (ended) return;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  }
  return {
    push(stream, chunk) {
      queue.push({ stream, chunk });
      notify();
    },
    end() {
      ended = true;
      notify();
    },
    fail(reason) {
      failure ??= reason;
      notify();
    },
    async *stream() {
      for await (const piece of pieces()) yield piece.chunk;
    },
    async drain(consume) {
      for await (const piece of pieces()) await consume(piece.stream, piece.chunk);
    },
  };
}
