import { expect, test } from "vitest";
import { collectBytes, concatBytes, peekBytes, streamOf } from "./byte-stream.ts";

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

test.each([
  [0, ""],
  [1, "ab"],
  [3, "abc"],
  [9, "abcd"],
])("looking at %i bytes of a stream leaves it whole", async (length, head) => {
  const peeked = await peekBytes(streamOf(bytes("ab"), bytes("c"), bytes("d")), length);
  expect(new TextDecoder().decode(peeked.head)).toBe(head);
  expect(await collectBytes(peeked.stream, 9, () => new Error("limit"))).toEqual(bytes("abcd"));
});

test("a stream that was only looked at is released", async () => {
  let released = false;
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield bytes("xxxx");
    } finally {
      released = true;
    }
  }
  await (await peekBytes(endless(), 1)).stream.return();
  expect(released).toBe(true);
});
