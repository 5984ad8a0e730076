import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { takeRoom } from "@varve/bytes";
import { expect, test } from "vitest";
import { createTransport, DEFAULT_TIMEOUTS } from "./transport.ts";

test("room that a body lies in is used again, and not before a slow server has been sent what is in it", async () => {
  const received = createHash("sha256");
  const server = createServer((request, response) => {
    void (async () => {
      for await (const piece of request) {
        received.update(piece as Buffer);
        if (Math.random() < 0.1) await sleep(1);
      }
      response.end();
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const sent = createHash("sha256");
  const buffers = new Set<ArrayBufferLike>();
  async function* body(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 60; i++) {
      const room = takeRoom(i % 3 === 0 ? 64 * 1024 : i % 3 === 1 ? 300_000 : 512 * 1024);
      room.fill(i);
      sent.update(room);
      buffers.add(room.buffer);
      yield room;
    }
  }
  try {
    await using transport = createTransport({}, DEFAULT_TIMEOUTS);
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const response = await transport.send({ method: "PATCH", url, headers: {}, body: body() });
    await response.discard();
    expect(received.digest("hex")).toBe(sent.digest("hex"));
    expect(buffers.size).toBeLessThan(10);
  } finally {
    server.close();
  }
});
