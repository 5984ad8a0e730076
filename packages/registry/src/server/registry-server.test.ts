import { createMemoryStore } from "@varve/testkit/registry";
import { describe, expect, it } from "vitest";
import { serveRegistry } from "./registry-server.ts";

describe("serveRegistry", () => {
  it("says when the port is taken, and leaves whoever has it alone", async () => {
    await using first = await serveRegistry({ store: createMemoryStore() });
    await expect(serveRegistry({ store: createMemoryStore(), port: first.port })).rejects.toMatchObject({
      code: "REGISTRY_LISTEN",
      message: `cannot serve at 127.0.0.1:${first.port}: the port is taken`,
    });
    expect((await fetch(`${first.url}/v2/`)).status).toBe(200);
  });

  it("says when the address is another machine's", async () => {
    // TEST-NET-1 (RFC 5737): nobody has it
    await expect(serveRegistry({ store: createMemoryStore(), host: "192.0.2.1" })).rejects.toMatchObject({ code: "REGISTRY_LISTEN" });
  });

  it("stops listening when it is disposed of or aborted", async () => {
    const abort = new AbortController();
    const aborted = await serveRegistry({ store: createMemoryStore(), signal: abort.signal });
    abort.abort();
    await aborted[Symbol.asyncDispose]();
    await expect(fetch(`${aborted.url}/v2/`)).rejects.toThrow(TypeError);
    const disposed = await serveRegistry({ store: createMemoryStore() });
    await disposed[Symbol.asyncDispose]();
    await expect(fetch(`${disposed.url}/v2/`)).rejects.toThrow(TypeError);
  });
});
