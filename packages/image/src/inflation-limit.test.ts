import { streamOf } from "@varve/bytes";
import { describe, expect, it } from "vitest";
import { limitInflation } from "./inflation-limit.ts";

const MIB = new Uint8Array(1024 * 1024);

async function inflate(mebibytes: number, packedSize: number): Promise<number> {
  async function* inflated(): AsyncGenerator<Uint8Array, void, undefined> {
    // one buffer over and over: the limit counts, nobody looks
    for (let i = 0; i < mebibytes; i++) yield MIB;
  }
  let size = 0;
  for await (const piece of limitInflation(streamOf(), inflated, () => packedSize)) size += piece.length;
  return size / MIB.length;
}

describe("limitInflation", () => {
  it("lets a layer inflate to 1 GiB whatever its size, and a thousandfold beyond", async () => {
    expect(await inflate(1024, 100)).toBe(1024);
    expect(await inflate(2000, 2 * 1024 * 1024)).toBe(2000);
  });

  it("stops a bomb", async () => {
    await expect(inflate(1025, 100)).rejects.toMatchObject({ code: "IMAGE_LAYER_TOO_LARGE" });
    await expect(inflate(2001, 2 * 1024 * 1024)).rejects.toMatchObject({ code: "IMAGE_LAYER_TOO_LARGE" });
  });
});
