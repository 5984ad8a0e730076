import { expect, test } from "vitest";
import { collectBytes, concatBytes, streamOf } from "./byte-stream.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("pieces are joined in order", async () => {
  expect(await collectBytes(streamOf(bytes("ab"), bytes(""), bytes("c")), 3, () => new Error("limit"))).toEqual(bytes("abc"));
  expect(concatBytes([])).toEqual(new Uint8Array());
});

test("a stream past the limit is released and the caller's error thrown", async () => {
  let released = false;
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield bytes("xxxx");
    } finally {
      released = true;
    }
  }
  await expect(collectBytes(endless(), 9, () => new Error("too long"))).rejects.toThrow("too long");
  expect(released).toBe(true);
});
