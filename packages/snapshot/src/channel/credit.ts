/** Bytes a side may send before the other has used them. */
export const WINDOW: number = 1 << 20;

/** What a sender may still send; a slow reader so slows its writer down, and nothing else on the channel. */
export interface Credit {
  /** Resolves when `size` bytes may go; rejects when the call is over. */
  take(size: number): Promise<void>;
  give(size: number): void;
  close(reason: Error): void;
}

/** Creates a full window. */
export function createCredit(): Credit {
  let left = WINDOW;
  let closed: Error | undefined;
  const waiting: { resolve(): void; reject(reason: Error): void; size: number }[] = [];
  return {
    async take(size) {
      if (closed !== undefined) throw closed;
      // one piece may overdraw the window, or a piece larger than it could never go
      if (left > 0 && waiting.length === 0) {
        left -= size;
        return;
      }
      await new Promise<void>((resolve, reject) => waiting.push({ resolve, reject, size }));
    },
    give(size) {
      left += size;
      while (left > 0) {
        const next = waiting.shift();
        if (next === undefined) return;
        left -= next.size;
        next.resolve();
      }
    },
    close(reason) {
      closed = reason;
      for (const waiter of waiting.splice(0)) waiter.reject(reason);
    },
  };
}
