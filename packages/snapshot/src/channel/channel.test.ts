import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { streamOf } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Channel, createChannel, type IncomingCall } from "./channel.ts";

let folder: string;
let near: Socket;
let far: Socket;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "varve-channel-"));
  const server = createServer().listen(join(folder, "s"));
  await once(server, "listening");
  const connection = once(server, "connection");
  near = connect(join(folder, "s"));
  [far] = (await connection) as [Socket];
  server.close();
});
afterEach(() => {
  near.destroy();
  far.destroy();
  rmSync(folder, { recursive: true });
});

function channelTo(handler: (call: IncomingCall) => Promise<unknown>): Channel {
  createChannel(far, handler);
  return createChannel(near);
}

async function sizeOf(stream: AsyncIterable<Uint8Array>): Promise<number> {
  let size = 0;
  for await (const piece of stream) size += piece.length;
  return size;
}

describe("a call", () => {
  it("carries parameters there, a result back, and bytes both ways, more than a window of them", async () => {
    const channel = channelTo(async (call) => {
      const size = await sizeOf(call.input);
      await call.output(2, new Uint8Array(3_000_000));
      return { method: call.method, params: call.params, size };
    });
    const received = [0, 0, 0];
    const result = await channel.call(
      "count",
      { a: [1, "ü"] },
      { input: streamOf(new Uint8Array(2_500_000), new Uint8Array(1)), onOutput: (stream, chunk) => void (received[stream]! += chunk.length) },
    );
    expect(result).toEqual({ method: "count", params: { a: [1, "ü"] }, size: 2_500_001 });
    expect(received).toEqual([0, 0, 3_000_000]);
  });

  it("waits for nothing that another one waits for", async () => {
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const channel = channelTo(async (call) => {
      if (call.method === "slow") await gate;
      return call.method;
    });
    const slow = channel.call("slow", null);
    expect(await channel.call("quick", null)).toBe("quick");
    open();
    expect(await slow).toBe("slow");
  });

  it("fails with the other side's error, code and hint with it", async () => {
    const channel = channelTo(() => Promise.reject(new VarveError("SANDBOX_SETUP_FAILED", "cannot mount", { hint: "ask root" })));
    await expect(channel.call("x", null)).rejects.toMatchObject({ code: "SANDBOX_SETUP_FAILED", message: "cannot mount", hint: "ask root" });
  });

  it("fails with SANDBOX_HELPER_FAILED where the other side's error has no code", async () => {
    const channel = channelTo(() => Promise.reject(new TypeError("oh no")));
    await expect(channel.call("x", null)).rejects.toMatchObject({ code: "SANDBOX_HELPER_FAILED", message: expect.stringContaining("oh no") as string });
  });

  it("fails with SANDBOX_HELPER_FAILED when the other side is gone, also if made afterwards", async () => {
    const channel = channelTo(() => {
      far.destroy();
      return new Promise(() => {});
    });
    await expect(channel.call("x", null)).rejects.toMatchObject({ code: "SANDBOX_HELPER_FAILED", message: "the helper process stopped" });
    await channel.closed;
    await expect(channel.call("y", null)).rejects.toMatchObject({ code: "SANDBOX_HELPER_FAILED" });
  });

  it("ends with its signal's reason, and tells the other side", async () => {
    const abort = new AbortController();
    let told: Promise<unknown> = Promise.resolve();
    const channel = channelTo((call) => {
      told = once(call.signal, "abort");
      abort.abort(new Error("enough"));
      return told;
    });
    await expect(channel.call("x", null, { signal: abort.signal })).rejects.toThrow("enough");
    await told;
  });

  it("ends with the error of its own input", async () => {
    const channel = channelTo((call) => sizeOf(call.input));
    async function* broken(): AsyncGenerator<Uint8Array, void, undefined> {
      yield new Uint8Array(10);
      throw new RangeError("the disk is gone");
    }
    await expect(channel.call("x", null, { input: broken() })).rejects.toThrow("the disk is gone");
  });
});
