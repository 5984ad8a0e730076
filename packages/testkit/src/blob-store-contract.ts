import { type ByteStream, collectBytes } from "@varve/bytes";
import type { BlobIngester, Existence, Fetcher, Pusher, RangeFetcher } from "@varve/oci";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { describeBlob, inPieces } from "./blob.ts";

/** What the contract is about; the optional ones are tested where they exist. */
export type BlobStore = Fetcher & Existence & Pusher & Partial<BlobIngester & RangeFetcher>;

/** An empty store, made for one test. */
export interface BlobStoreUnderTest {
  readonly store: BlobStore;
  dispose(): Promise<void>;
}

/** The contract of every store of blobs: what is in it is whole and has its digest; what is not whole was never in it. */
export function describeBlobStore(title: string, create: () => Promise<BlobStoreUnderTest>): void {
  describe(`blob store contract: ${title}`, () => {
    let under: BlobStoreUnderTest;
    beforeEach(async () => {
      under = await create();
    });
    afterEach(() => under.dispose());
    const use = (): BlobStore => under.store;
    describePushing(use);
    describeFetching(use);
    describeIngesting(use);
    describeRanges(use);
  });
}

const HELLO = new TextEncoder().encode("hello");

function describePushing(use: () => BlobStore): void {
  test("what was pushed is there, whole", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), fc.integer({ min: 1, max: 1000 }), async (bytes, size) => {
        const blob = describeBlob(bytes);
        await use().push(blob, async () => inPieces(bytes, size));
        expect(await use().has(blob)).toBe(true);
        expect(await read(await use().fetch(blob))).toEqual(bytes);
      }),
      { numRuns: 25 },
    );
  });

  test("pushing again succeeds", async () => {
    const blob = describeBlob(HELLO);
    await use().push(blob, async () => inPieces(HELLO, 2));
    await use().push(blob, async () => inPieces(HELLO, 2));
    expect(await read(await use().fetch(blob))).toEqual(HELLO);
  });

  test("pushing the same blob at once succeeds", async () => {
    const bytes = new Uint8Array(300_000).fill(7);
    const blob = describeBlob(bytes);
    await Promise.all([1, 2, 3, 4].map(() => use().push(blob, async () => inPieces(bytes, 10_000))));
    expectSame(await read(await use().fetch(blob)), bytes);
  });

  test.each([
    ["other bytes", new TextEncoder().encode("jello")],
    ["fewer bytes", HELLO.subarray(0, 4)],
    ["more bytes", new TextEncoder().encode("hello!")],
  ])("%s than announced are refused and leave nothing", async (_, bytes) => {
    const blob = describeBlob(HELLO);
    await expect(use().push(blob, async () => inPieces(bytes, 2))).rejects.toMatchObject({ code: expect.stringMatching(/MISMATCH/) });
    expect(await use().has(blob)).toBe(false);
    expect(await use().has(describeBlob(bytes))).toBe(false);
  });

  test("a source that fails leaves nothing, and its error is given on", async () => {
    const blob = describeBlob(HELLO);
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield HELLO;
      throw new Error("line cut");
    };
    await expect(use().push(blob, async () => failing())).rejects.toThrow("line cut");
    expect(await use().has(blob)).toBe(false);
  });

  test("an aborted push leaves nothing", async () => {
    const blob = describeBlob(HELLO);
    const controller = new AbortController();
    const slow = async function* (): AsyncGenerator<Uint8Array> {
      yield HELLO.subarray(0, 3);
      controller.abort();
      yield HELLO.subarray(3);
    };
    await expect(use().push(blob, async () => slow(), { signal: controller.signal })).rejects.toMatchObject({ name: "AbortError" });
    expect(await use().has(blob)).toBe(false);
  });
}

function describeFetching(use: () => BlobStore): void {
  test("what was never pushed is a typed error", async () => {
    const blob = describeBlob(HELLO);
    expect(await use().has(blob)).toBe(false);
    await expect(use().fetch(blob)).rejects.toMatchObject({ code: expect.stringMatching(/_NOT_FOUND$/) });
  });

  test("a descriptor of another size is a mismatch, not a short or long read", async () => {
    const blob = describeBlob(HELLO);
    await use().push(blob, async () => inPieces(HELLO, 5));
    const reading = use()
      .fetch({ ...blob, size: 4 })
      .then(read);
    await expect(reading).rejects.toMatchObject({ code: expect.stringMatching(/MISMATCH/) });
    expect(await read(await use().fetch(blob))).toEqual(HELLO);
  });

  test("a stream that is left early, or never begun, does no harm", async () => {
    const bytes = new Uint8Array(2_000_000).fill(1);
    const blob = describeBlob(bytes);
    await use().push(blob, async () => inPieces(bytes, 65_536));
    for await (const piece of await use().fetch(blob)) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    await (await use().fetch(blob))[Symbol.asyncIterator]().return?.();
    expectSame(await read(await use().fetch(blob)), bytes);
  });

  test("an aborted signal ends a fetch", async () => {
    const blob = describeBlob(HELLO);
    await use().push(blob, async () => inPieces(HELLO, 5));
    await expect(use().fetch(blob, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: "AbortError" });
  });
}

function describeIngesting(use: () => BlobStore): void {
  test("a blob whose digest is found while writing", async (context) => {
    const writer = await use().ingest?.();
    if (writer === undefined) return context.skip("no ingest");
    await writer.write(HELLO.subarray(0, 2));
    await writer.write(HELLO.subarray(2));
    expect(await use().has(describeBlob(HELLO))).toBe(false);
    expect(await writer.commit()).toEqual({ digest: describeBlob(HELLO).digest, size: 5 });
    expect(await read(await use().fetch(describeBlob(HELLO)))).toEqual(HELLO);
  });

  test("an aborted one, or one that is not as expected, leaves nothing", async (context) => {
    const aborted = await use().ingest?.();
    if (aborted === undefined) return context.skip("no ingest");
    await aborted.write(HELLO);
    await aborted.abort();
    const other = await use().ingest?.();
    await other?.write(HELLO);
    await expect(other?.commit({ size: 6 })).rejects.toMatchObject({ code: expect.stringMatching(/MISMATCH/) });
    expect(await use().has(describeBlob(HELLO))).toBe(false);
  });
}

function describeRanges(use: () => BlobStore): void {
  test("a range is exactly those bytes", async (context) => {
    const bytes = new Uint8Array(1000).map((_, at) => at % 251);
    const blob = describeBlob(bytes);
    await use().push(blob, async () => inPieces(bytes, 100));
    if (use().fetchRange === undefined) return context.skip("no ranges");
    await fc.assert(
      fc.asyncProperty(fc.nat(1000), fc.nat(1000), async (a, b) => {
        const [start, end] = [Math.min(a, b), Math.max(a, b)];
        const stream = await use().fetchRange?.(blob, start, end - start);
        expect(stream === undefined ? undefined : await read(stream)).toEqual(bytes.subarray(start, end));
      }),
      { numRuns: 25 },
    );
    await expect(use().fetchRange?.(blob, 900, 101)).rejects.toMatchObject({ code: expect.stringMatching(/RANGE/) });
  });
}

async function read(stream: ByteStream): Promise<Uint8Array> {
  return new Uint8Array(await collectBytes(stream, 100_000_000, () => new Error("too much")));
}

/** toEqual takes seconds a megabyte. */
function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(actual, expected)).toBe(0);
}
