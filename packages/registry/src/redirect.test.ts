import { describe, expect, it } from "vitest";
import { followRedirects, resolveLocation } from "./redirect.ts";
import type { HttpRequest, HttpResponse } from "./transport.ts";

describe("resolveLocation", () => {
  it.each<[string, string, string]>([
    ["/v2/a/blobs/uploads/1?_state=a%2Bb%20c&x", "http://r.test:5000/v2/a/blobs/uploads/", "http://r.test:5000/v2/a/blobs/uploads/1?_state=a%2Bb%20c&x"],
    ["1?s=1", "http://r.test/v2/a/blobs/uploads/", "http://r.test/v2/a/blobs/uploads/1?s=1"],
    ["https://other.test/x#part", "http://r.test/", "https://other.test/x"],
    ["//other.test/x", "https://r.test/", "https://other.test/x"],
    ["https://user:pass@other.test/x", "https://r.test/", "https://other.test/x"],
    // a registry behind a proxy that ends TLS
    ["http://r.test/v2/x?a=1", "https://r.test/v2/", "https://r.test/v2/x?a=1"],
    ["http://r.test/v2/x", "https://r.test:8443/v2/", "https://r.test:8443/v2/x"],
  ])("%s from %s", (location, from, expected) => {
    expect(resolveLocation(location, new URL(from)).href).toBe(expected);
  });

  it.each<[string, string]>([
    ["http://other.test/x", "REGISTRY_UNSAFE_REDIRECT"],
    ["http://r.test:8080/x", "REGISTRY_UNSAFE_REDIRECT"],
    ["file:///etc/passwd", "REGISTRY_PROTOCOL"],
    ["javascript:0", "REGISTRY_PROTOCOL"],
    ["https://", "REGISTRY_PROTOCOL"],
  ])("refuses %s", (location, code) => {
    expect(() => resolveLocation(location, new URL("https://r.test/"))).toThrow(expect.objectContaining({ code }));
  });
});

describe("followRedirects", () => {
  const response = (status: number, location?: string): HttpResponse => ({
    status,
    url: new URL("https://r.test/"),
    header: (name) => (name === "location" ? location : undefined),
    body: (async function* () {})(),
    discard: async () => {},
  });

  it("keeps credentials with their origin, and gives them back to it", async () => {
    const sent: HttpRequest[] = [];
    const hops = ["https://cdn.test/a", "https://r.test:444/b", "https://r.test/c"];
    await followRedirects({ method: "GET", url: new URL("https://r.test/"), headers: { range: "bytes=1-" }, authorization: "Basic x" }, async (request) => {
      sent.push(request);
      return response(307, hops.shift());
    });
    expect(sent.map(({ url, headers }) => [url.href, headers["authorization"], headers["range"]])).toEqual([
      ["https://r.test/", "Basic x", "bytes=1-"],
      ["https://cdn.test/a", undefined, "bytes=1-"],
      ["https://r.test:444/b", undefined, "bytes=1-"],
      ["https://r.test/c", "Basic x", "bytes=1-"],
    ]);
  });

  it("follows ten redirects, not eleven", async () => {
    const after = (count: number): Promise<HttpResponse> => {
      let left = count;
      return followRedirects({ method: "GET", url: new URL("https://r.test/") }, async () => (left-- > 0 ? response(302, "/again") : response(200)));
    };
    await expect(after(10)).resolves.toMatchObject({ status: 200 });
    await expect(after(11)).rejects.toMatchObject({ code: "REGISTRY_UNSAFE_REDIRECT" });
  });

  it("does not turn a POST into something else", async () => {
    const answer = await followRedirects({ method: "POST", url: new URL("https://r.test/") }, async () => response(302, "/again"));
    expect(answer.status).toBe(302);
  });
});
