import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createPieceQueue, type PieceQueue } from "./piece-queue.ts";

const MiB = 1024 * 1024;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "varve-queue-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A piece whose bytes tell its number. */
function piece(number: number, size: number): Uint8Array {
  return new Uint8Array(size).fill(number % 251);
}

function total(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, each) => sum + each.length, 0);
}

async function readSome(stream: AsyncIterator<Uint8Array>, bytes: number, into: Uint8Array[]): Promise<void> {
  for (let read = 0; read < bytes;) {
    const next = await stream.next();
    if (next.done === true) throw new Error("ended early");
    into.push(next.value);
    read += next.value.length;
  }
}

describe("a queue of pieces", () => {
  it("gives them as they came while the reader keeps up, without a file", async () => {
    await using queue = createPieceQueue(() => Promise.reject(new Error("needs no folder")));
    const stream = queue.read()[Symbol.asyncIterator]();
    for (let i = 0; i < 50; i++) {
      const one = piece(i, MiB);
      await queue.write(one);
      expect((await stream.next()).value).toBe(one);
    }
    queue.end();
    expect((await stream.next()).done).toBe(true);
  });

  it("waits for a reader who is about to take some, and puts nothing aside; not for one who is not any more, or is gone", async () => {
    let folders = 0;
    const queue = createPieceQueue(() => Promise.resolve(((folders += 1), folder)));
    const stream = queue.read()[Symbol.asyncIterator]();
    let isPatient = true;
    let limit = 16 * MiB;
    let written = 0;
    const write = async (): Promise<void> => {
      await queue.write(piece(written, MiB), () => (isPatient ? limit : undefined));
      written++;
    };
    for (let i = 0; i < 16; i++) await write();
    const waiting = write();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(written).toBe(16);
    await stream.next();
    await waiting;
    expect([written, folders]).toEqual([17, 0]);
    isPatient = false;
    await write();
    await write();
    expect(folders).toBe(1);
    for (let i = 1; i < 19; i++) await stream.next();
    isPatient = true;
    limit = 4 * MiB;
    for (let i = 0; i < 4; i++) await write();
    const left = write();
    await queue[Symbol.asyncDispose]();
    await left;
  });

  it("puts aside what a slower reader leaves, in order, and goes back to memory", async () => {
    await using queue = createPieceQueue(() => Promise.resolve(folder));
    const written: Uint8Array[] = [];
    const read: Uint8Array[] = [];
    const stream = queue.read()[Symbol.asyncIterator]();
    const write = async (count: number, size: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        written.push(piece(written.length, size));
        await queue.write(written.at(-1) ?? new Uint8Array(0));
      }
    };
    for (const size of [MiB, 300_000, 7]) {
      await write(40, size);
      await readSome(stream, 12 * size, read);
      await write(5, size);
      await readSome(stream, total(written) - total(read), read);
    }
    // the file has no name
    expect(await readdir(folder)).toEqual([]);
    queue.end();
    for (let next = await stream.next(); next.done !== true; next = await stream.next()) read.push(next.value);
    expect(Buffer.concat(read).equals(Buffer.concat(written))).toBe(true);
  });

  it("serves a reader that waits, and one that writes meanwhile", async () => {
    await using queue = createPieceQueue(() => Promise.resolve(folder));
    const read = (async () => {
      const pieces: Uint8Array[] = [];
      for await (const one of queue.read()) {
        pieces.push(one);
        if (pieces.length % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
      }
      return Buffer.concat(pieces);
    })();
    const written: Uint8Array[] = [];
    for (let i = 0; i < 60; i++) {
      written.push(piece(i, 700_000));
      await queue.write(written.at(-1) ?? new Uint8Array(0));
      if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    queue.end();
    expect((await read).equals(Buffer.concat(written))).toBe(true);
  });

  it("throws to the reader what the writer failed with, and to the writer that there is no room", async () => {
    await using failing = createPieceQueue(() => Promise.resolve(folder));
    const waiting = failing.read()[Symbol.asyncIterator]().next();
    failing.fail(new Error("the source broke"));
    await expect(waiting).rejects.toThrow("the source broke");
    await using full: PieceQueue = createPieceQueue(() => Promise.reject(new Error("no room")));
    const filling = (async () => {
      for (let i = 0; i < 40; i++) await full.write(piece(i, MiB));
    })();
    await expect(filling).rejects.toMatchObject({ code: "IMAGE_OUTPUT", message: expect.stringContaining("no room") as string });
  });
});
