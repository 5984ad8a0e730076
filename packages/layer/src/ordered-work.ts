import type { IOOptions } from "@varve/oci";

/** Works on items at the same time, up to `concurrency` of them (default 6), and gives the results in the items' order. Owns `items`. */
export async function* mapInOrder<T, U>(
  items: AsyncIterable<T>,
  work: (item: T) => Promise<U>,
  options: IOOptions & { readonly concurrency?: number | undefined } = {},
): AsyncGenerator<U, void, undefined> {
  const underway: Promise<U>[] = [];
  try {
    for await (const item of items) {
      options.signal?.throwIfAborted();
      const result = work(item);
      // its turn to be awaited comes later
      result.catch(() => {});
      underway.push(result);
      const first = underway.length >= (options.concurrency ?? 6) ? underway.shift() : undefined;
      if (first !== undefined) yield await first;
    }
    for (let next = underway.shift(); next !== undefined; next = underway.shift()) yield await next;
  } finally {
    await Promise.allSettled(underway);
  }
}
