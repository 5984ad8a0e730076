import { type Fault, type FaultProxy, firstTimes, type SeenRequest, startFaultProxy } from "@varve/testkit/registry";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { RegistryClient, RemoteRepository } from "./client.ts";
import { createRegistryClient } from "./registry-client.ts";
import {
  createServedSpace,
  pushImage,
  QUICK,
  randomBlob,
  randomImage,
  readAll,
  type ServedSpace,
  type TestBlob,
  type TestImage,
} from "@varve/testkit/registry";

let space: ServedSpace;
let proxy: FaultProxy;
let client: RegistryClient;
let repository: RemoteRepository;
let image: TestImage;
const SIZE = 700_000;

beforeAll(async () => {
  space = await createServedSpace();
  proxy = await startFaultProxy(space.host);
  image = randomImage(SIZE);
  await using pusher = createRegistryClient();
  await pushImage(pusher.repository({ registry: proxy.host, repository: "team/app" }), image, "v1");
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await space[Symbol.asyncDispose]();
});
beforeEach(() => {
  client = createRegistryClient({ retry: QUICK });
  repository = client.repository({ registry: proxy.host, repository: "team/app" });
  proxy.inject(() => undefined);
  proxy.forget();
});
afterEach(() => client[Symbol.asyncDispose]());

async function becomeImpatient(): Promise<void> {
  await client[Symbol.asyncDispose]();
  client = createRegistryClient({ retry: QUICK, timeouts: { headers: 300, body: 300 } });
  repository = client.repository({ registry: proxy.host, repository: "team/app" });
}

interface Operation {
  readonly name: string;
  /** The request that counts. */
  readonly matches: (request: SeenRequest) => boolean;
  /** Throws unless the outcome is right. */
  readonly run: () => Promise<void>;
}

const isBlob = (method: string) => (request: SeenRequest) => request.method === method && request.path.includes("/blobs/sha256:");
const isManifest = (method: string) => (request: SeenRequest) => request.method === method && request.path.includes("/manifests/");
const isUpload = (method: string) => (request: SeenRequest) => request.method === method && request.path.includes("/blobs/uploads/");

async function pushBlob(): Promise<void> {
  const blob = randomBlob(SIZE);
  await repository.push(blob.descriptor, blob.open);
  expect(await space.store.has(blob.descriptor)).toBe(true);
}

const OPERATIONS: readonly Operation[] = [
  { name: "resolve", matches: isManifest("HEAD"), run: async () => expect(await repository.resolve("v1")).toEqual(image.manifest.descriptor) },
  {
    name: "fetch a manifest",
    matches: isManifest("GET"),
    run: async () => expect((await repository.fetchManifest("v1")).descriptor).toEqual(image.manifest.descriptor),
  },
  { name: "has", matches: isBlob("HEAD"), run: async () => expect(await repository.has(image.blobs[1]!.descriptor)).toBe(true) },
  {
    name: "fetch a blob",
    matches: isBlob("GET"),
    run: async () => expect(Buffer.compare(await readAll(await repository.fetch(image.blobs[1]!.descriptor)), image.blobs[1]!.bytes)).toBe(0),
  },
  {
    name: "fetch a part",
    matches: isBlob("GET"),
    run: async () =>
      expect(
        Buffer.compare(await readAll(await repository.fetchRange(image.blobs[1]!.descriptor, 9, 300_000)), image.blobs[1]!.bytes.subarray(9, 300_009)),
      ).toBe(0),
  },
  { name: "list tags", matches: (request) => request.path.includes("/tags/list"), run: async () => expect(await repository.tags()).toContain("v1") },
  { name: "begin an upload", matches: isUpload("POST"), run: pushBlob },
  { name: "complete an upload", matches: isUpload("PUT"), run: pushBlob },
  { name: "push a manifest", matches: isManifest("PUT"), run: async () => repository.tag(image.manifest.descriptor, "v2") },
  {
    name: "mount",
    matches: isUpload("POST"),
    run: async () =>
      expect(await client.repository({ registry: proxy.host, repository: "team/other" }).mount(image.blobs[1]!.descriptor, "team/app")).toBe(true),
  },
];

const PASSING: readonly Fault[] = [
  { kind: "reset" },
  { kind: "lose-answer" },
  { kind: "stall" },
  { kind: "cut-answer", after: 10 },
  { kind: "answer", status: 408 },
  { kind: "answer", status: 425 },
  { kind: "answer", status: 429, headers: { "retry-after": "0" } },
  { kind: "answer", status: 500, body: "oops" },
  { kind: "answer", status: 502, body: "<html>" },
  { kind: "answer", status: 503, headers: { "retry-after": "Thu, 01 Jan 1970 00:00:00 GMT" } },
  { kind: "answer", status: 504 },
  { kind: "answer", status: 524 },
];

const STALLED = new Set(["resolve", "fetch a blob", "complete an upload"]);

describe.each(OPERATIONS)("$name", ({ name, matches, run }) => {
  // each stalled request takes the timeout
  it.each(PASSING.filter(({ kind }) => kind !== "stall" || STALLED.has(name)))("outlives %o", async (fault) => {
    proxy.inject(firstTimes(fault.kind === "stall" ? 1 : 2, matches, fault));
    if (fault.kind === "stall") await becomeImpatient();
    await run();
  });

  it.each<[Fault, RegExp]>([
    [{ kind: "reset" }, /^REGISTRY_UNREACHABLE$/],
    [{ kind: "answer", status: 503 }, /^REGISTRY_UNAVAILABLE$/],
    [{ kind: "answer", status: 429 }, /^REGISTRY_RATE_LIMITED$/],
    [{ kind: "answer", status: 429, headers: { "retry-after": "3600" } }, /^REGISTRY_RATE_LIMITED$/],
    [{ kind: "answer", status: 403, body: '{"errors":[{"code":"DENIED","message":"no"}]}' }, /^REGISTRY_DENIED$/],
    [{ kind: "answer", status: 418, body: "x".repeat(200_000) }, /^REGISTRY_(REFUSED|PROTOCOL)$/],
    [{ kind: "answer", status: 204 }, /^REGISTRY_(REFUSED|PROTOCOL)$/],
    [{ kind: "answer", status: 307, headers: { location: "/again" } }, /^REGISTRY_(UNSAFE_REDIRECT|NOT_FOUND|PROTOCOL)$/],
  ])("fails for good on %o", async (fault, code) => {
    // where HEAD doesn't help, GET is asked
    proxy.inject((request) =>
      matches(request) || request.path.includes("/manifests/") || (fault.kind === "answer" && fault.status === 307 && request.path === "/again")
        ? fault
        : undefined,
    );
    const outcome: unknown = await run().catch((error: unknown) => error);
    // a mount that is refused is no failure: the blob is uploaded; some registries answer a completed upload with 204
    const isFine = (name === "mount" && isAssertion(outcome)) || (name === "complete an upload" && fault.kind === "answer" && fault.status === 204);
    if (isFine) return;
    expect(outcome).toMatchObject({ code: expect.stringMatching(code) });
  });
});

/** An operation's outcome that is not the one hoped for, rather than a failure of the client. */
function isAssertion(outcome: unknown): boolean {
  return outcome instanceof Error && outcome.name === "AssertionError";
}

describe("a download", () => {
  it("goes on where it broke, as often as it moves", async () => {
    let cuts = 0;
    proxy.inject((request) => (isBlob("GET")(request) ? (cuts++, { kind: "cut-answer", after: 60_000 }) : undefined));
    const { descriptor, bytes } = image.blobs[1]!;
    expect(Buffer.compare(await readAll(await repository.fetch(descriptor)), bytes)).toBe(0);
    expect(cuts).toBeGreaterThan(SIZE / 60_000 - 1);
    const ranges = proxy.seen.filter(isBlob("GET")).map(({ headers }) => headers.range);
    expect(ranges[0]).toBeUndefined();
    expect(ranges[1]).toBe("bytes=60000-");
  });

  it("goes on without Range, from a registry that doesn't know it", async () => {
    let asked = 0;
    proxy.inject((request) => {
      if (!isBlob("GET")(request)) return undefined;
      return asked++ === 0 ? { kind: "cut-answer", after: 200_000 } : { kind: "request-headers", headers: { range: undefined } };
    });
    const { descriptor, bytes } = image.blobs[1]!;
    expect(Buffer.compare(await readAll(await repository.fetch(descriptor)), bytes)).toBe(0);
    proxy.inject((request) => (isBlob("GET")(request) ? { kind: "request-headers", headers: { range: undefined } } : undefined));
    expect(Buffer.compare(await readAll(await repository.fetchRange(descriptor, 99, 100_000)), bytes.subarray(99, 100_099))).toBe(0);
  });

  it.each<[string, Fault, string]>([
    ["another byte", { kind: "flip", at: 1234 }, "REGISTRY_DIGEST_MISMATCH"],
    ["fewer bytes", { kind: "short-answer", after: 1234 }, "REGISTRY_DIGEST_MISMATCH"],
    ["no bytes", { kind: "answer", status: 200 }, "REGISTRY_DIGEST_MISMATCH"],
    ["more bytes", { kind: "answer", status: 200, headers: { "transfer-encoding": "chunked" }, body: "x".repeat(SIZE + 1) }, "REGISTRY_DIGEST_MISMATCH"],
    ["an encoding nobody asked for", { kind: "headers", headers: { "content-encoding": "gzip" } }, "REGISTRY_PROTOCOL"],
  ])("ends with an error on %s", async (_, fault, code) => {
    proxy.inject((request) => (isBlob("GET")(request) ? fault : undefined));
    const outcome = repository.fetch(image.blobs[1]!.descriptor).then(readAll);
    await expect(outcome).rejects.toMatchObject({ code });
    expect(proxy.seen.filter(isBlob("GET")).every(({ headers }) => headers["accept-encoding"] === "identity")).toBe(true);
  });

  it("has no parts outside it", async () => {
    for (const [offset, length] of [
      [SIZE, 1],
      [-1, 1],
      [0, -1],
      [0.5, 1],
    ] as const) {
      await expect(repository.fetchRange(image.blobs[1]!.descriptor, offset, length)).rejects.toMatchObject({ code: "REGISTRY_RANGE" });
    }
    expect(proxy.seen).toEqual([]);
  });

  it("can be given up before and while it is read, and aborted", async () => {
    const { descriptor } = image.blobs[1]!;
    const unread = await repository.fetch(descriptor);
    await unread[Symbol.asyncIterator]().return?.();
    for await (const piece of await repository.fetch(descriptor)) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    const controller = new AbortController();
    const reason = new Error("enough");
    proxy.inject((request) => (isBlob("GET")(request) ? { kind: "stall" } : undefined));
    const waiting = repository.fetch(descriptor, { signal: controller.signal });
    setImmediate(() => controller.abort(reason));
    await expect(waiting).rejects.toBe(reason);
  });
});

it("warns of nothing when a connection is used many times", async () => {
  const warnings: Error[] = [];
  const hear = (warning: Error): void => void warnings.push(warning);
  process.on("warning", hear);
  for (let i = 0; i < 15; i++) expect(await repository.has(image.blobs[1]!.descriptor)).toBe(true);
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", hear);
  expect(warnings).toEqual([]);
});

describe("an upload of what is being made", () => {
  const growing = (blob: TestBlob): Promise<void> => repository.pushGrowing({ stream: slowly(blob.bytes), descriptor: Promise.resolve(blob.descriptor) });
  async function* slowly(bytes: Uint8Array) {
    for (let at = 0; at < bytes.length; at += 100_000) {
      await new Promise((resolve) => setImmediate(resolve));
      yield bytes.subarray(at, at + 100_000);
    }
  }

  it("sends its bytes before its digest is known", async () => {
    const blob = randomBlob(SIZE);
    let isKnown = false;
    const read = deferred();
    async function* stream() {
      yield* slowly(blob.bytes);
      expect(isKnown).toBe(false);
      read.resolve();
    }
    const descriptor = read.promise.then(() => ((isKnown = true), blob.descriptor));
    await repository.pushGrowing({ stream: stream(), descriptor });
    expect(await space.store.has(blob.descriptor)).toBe(true);
    expect(proxy.seen.map(({ method }) => method)).toEqual(expect.arrayContaining(["POST", "PATCH", "PUT"]));
  });

  it.each<[string, (request: SeenRequest) => Fault | undefined, string]>([
    ["refused at its beginning", firstTimes(1, isUpload("POST"), { kind: "answer", status: 403 }), "POST"],
    ["refused as it comes", firstTimes(1, isUpload("PATCH"), { kind: "answer", status: 405 }), "PATCH DELETE"],
    ["cut", firstTimes(1, isUpload("PATCH"), { kind: "cut-request", after: 150_000 }), "PATCH DELETE"],
    ["refused at its end", firstTimes(1, isUpload("PUT"), { kind: "answer", status: 400 }), "PUT DELETE"],
  ])("that is %s fails at once, and its session is given up", async (_, fault, last) => {
    proxy.inject(fault);
    const blob = randomBlob(SIZE);
    await expect(growing(blob)).rejects.toBeInstanceOf(Error);
    expect(proxy.seen.map(({ method }) => method).join(" ")).toMatch(new RegExp(`${last}$`));
    expect(await repository.has(blob.descriptor)).toBe(false);
    await repository.push(blob.descriptor, blob.open);
    expect(await space.store.has(blob.descriptor)).toBe(true);
  });

  it("fails with what is made", async () => {
    async function* failing() {
      yield new Uint8Array(100);
      throw new Error("no room");
    }
    await expect(repository.pushGrowing({ stream: failing(), descriptor: Promise.reject(new Error("no room")) })).rejects.toBeInstanceOf(Error);
    expect(proxy.seen.at(-1)?.method).toBe("DELETE");
  });
});

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

describe("an upload", () => {
  it("goes on from where the registry has it", async () => {
    let cuts = 0;
    proxy.inject((request) => (isUpload("PUT")(request) && cuts++ < 4 ? { kind: "cut-request", after: 150_000 } : undefined));
    await pushBlob();
    const sent = proxy.seen.filter(isUpload("PUT")).map(({ headers }) => Number(headers["content-length"]));
    expect(sent.length).toBe(5);
    // something arrived of every try, so each sends less than the one before
    expect(sent.toSorted((a, b) => b - a)).toEqual(sent);
    expect(sent.at(-1)).toBeLessThan(SIZE);
    // one upload session for all
    expect(new Set(proxy.seen.filter(isUpload("PUT")).map(({ path }) => path)).size).toBe(1);
  });

  it("begins anew when its session is gone", async () => {
    proxy.inject(firstTimes(1, isUpload("PUT"), { kind: "answer", status: 404, body: '{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}' }));
    await pushBlob();
  });

  it("goes in chunks where a whole body is too large, and those resume too", async () => {
    const blob = randomBlob(40_000_000);
    let cuts = 0;
    proxy.inject((request) => {
      if (isUpload("PUT")(request) && Number(request.headers["content-length"]) > 20_000_000) return { kind: "answer", status: 413 };
      return isUpload("PATCH")(request) && ++cuts === 2 ? { kind: "cut-request", after: 5_000_000 } : undefined;
    });
    await repository.push(blob.descriptor, blob.open);
    expect(await space.store.has(blob.descriptor)).toBe(true);
    const chunks = proxy.seen.filter(isUpload("PATCH")).map(({ headers }) => headers["content-range"]);
    expect(chunks[0]).toBe("0-16777215");
    expect(chunks.length).toBeGreaterThan(2);
  });

  it("is done when only the answer was lost", async () => {
    proxy.inject(firstTimes(1, isUpload("PUT"), { kind: "lose-answer" }));
    await pushBlob();
    expect(proxy.seen.filter(isUpload("PUT")).length).toBe(1);
  });

  it("keeps the registry's query, and its cookie-like state, as it is", async () => {
    proxy.inject((request) =>
      isUpload("POST")(request) ? { kind: "headers", headers: { location: "/v2/team/app/blobs/uploads/x?_state=a%2Fb%3D%3D&b=c+d~" } } : undefined,
    );
    const blob = randomBlob(5);
    await repository.push(blob.descriptor, blob.open).catch(() => undefined);
    expect(proxy.seen.find(isUpload("PUT"))?.path).toBe(
      `/v2/team/app/blobs/uploads/x?_state=a%2Fb%3D%3D&b=c+d~&digest=${encodeURIComponent(blob.descriptor.digest)}`,
    );
  });

  it.each<[string, (bytes: Uint8Array) => Uint8Array]>([
    ["other bytes", (bytes) => bytes.map((byte) => byte ^ 1)],
    ["fewer bytes", (bytes) => bytes.subarray(1)],
    ["more bytes", (bytes) => Buffer.concat([bytes, bytes])],
    ["no bytes", () => new Uint8Array(0)],
  ])("refuses %s than announced, and nothing is there after", async (_, change) => {
    const blob = randomBlob(SIZE);
    const failing = repository.push(blob.descriptor, async () =>
      (async function* () {
        yield change(blob.bytes);
      })(),
    );
    await expect(failing).rejects.toMatchObject({ code: "REGISTRY_DIGEST_MISMATCH" });
    expect(await repository.has(blob.descriptor)).toBe(false);
    expect(proxy.seen.filter(isUpload("POST")).length).toBe(1);
  });

  it("fails with its source's own failure", async () => {
    const blob = randomBlob(SIZE);
    const reason = new Error("the disk is gone");
    const failing = repository.push(blob.descriptor, async () =>
      (async function* () {
        yield blob.bytes.subarray(0, 1000);
        throw reason;
      })(),
    );
    await expect(failing).rejects.toBe(reason);
  });

  it("goes ahead where storage elsewhere doesn't answer HEAD", async () => {
    proxy.inject((request) => {
      if (request.path.startsWith("/storage")) return { kind: "answer", status: 403 };
      return isBlob("HEAD")(request) ? { kind: "answer", status: 307, headers: { location: "/storage/blob?signature=x" } } : undefined;
    });
    await pushBlob();
  });

  it("reads nothing of what is there already", async () => {
    let opened = 0;
    const { descriptor, open } = image.blobs[1]!;
    await repository.push(descriptor, () => (opened++, open()));
    expect(opened).toBe(0);
  });
});

describe("a manifest", () => {
  it.each<[string, Fault, string]>([
    ["another byte", { kind: "flip", at: 20 }, "REGISTRY_DIGEST_MISMATCH"],
    ["another media type", { kind: "headers", headers: { "content-type": "application/vnd.oci.image.index.v1+json" } }, "REGISTRY_PROTOCOL"],
    ["a page of HTML", { kind: "answer", status: 200, headers: { "content-type": "text/html" }, body: "<html>" }, "REGISTRY_(PROTOCOL|DIGEST_MISMATCH)"],
    [
      "too many bytes",
      { kind: "answer", status: 200, headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" }, body: " ".repeat(4 * 1024 * 1024 + 1) },
      "REGISTRY_TOO_LARGE",
    ],
  ])("is refused with %s", async (_, fault, code) => {
    proxy.inject((request) => (isManifest("GET")(request) ? fault : undefined));
    await expect(repository.fetch(image.manifest.descriptor)).rejects.toMatchObject({ code: expect.stringMatching(code) });
  });

  it("is resolved by GET where HEAD tells too little", async () => {
    for (const headers of [{ "docker-content-digest": undefined }, { "content-type": undefined }, { "docker-content-digest": "sha512:00" }]) {
      proxy.inject((request) => (isManifest("HEAD")(request) ? { kind: "headers", headers } : undefined));
      expect(await repository.resolve("v1")).toEqual(image.manifest.descriptor);
    }
    proxy.inject((request) => (isManifest("HEAD")(request) ? { kind: "answer", status: 405 } : undefined));
    expect(await repository.resolve("v1")).toEqual(image.manifest.descriptor);
  });

  it("is refused when the registry stores another", async () => {
    proxy.inject((request) => (isManifest("PUT")(request) ? { kind: "headers", headers: { "docker-content-digest": `sha256:${"0".repeat(64)}` } } : undefined));
    await expect(repository.tag(image.manifest.descriptor, "v3")).rejects.toMatchObject({ code: "REGISTRY_DIGEST_MISMATCH" });
  });

  it.each(["../x", "a b", "", "-a", `sha256:${"0".repeat(63)}`])("has no tag %j", async (tag) => {
    await expect(repository.tag(image.manifest.descriptor, tag)).rejects.toMatchObject({ code: "REGISTRY_REFUSED" });
    await expect(repository.resolve(tag)).rejects.toMatchObject({ code: "REGISTRY_NOT_FOUND" });
    expect(proxy.seen.length).toBe(0);
  });
});

describe("tags", () => {
  const page = (tags: unknown, link?: string): Fault => ({
    kind: "answer",
    status: 200,
    headers: link === undefined ? {} : { link },
    body: JSON.stringify({ name: "team/app", tags }),
  });

  it("are followed through pages, each once", async () => {
    const pages = [
      page(["a", "b"], '</v2/team/app/tags/list?n=2&last=b>; rel="next"'),
      page(["b", "c"], `<http://${proxy.host}/v2/team/app/tags/list?last=c>; rel=next`),
      page(null),
    ];
    proxy.inject((request) => (request.path.includes("/tags/") ? pages.shift() : undefined));
    expect(await repository.tags()).toEqual(["a", "b", "c"]);
    proxy.inject(() => page(["a"], '</v2/team/app/tags/list?last=a>; rel="next"'));
    expect(await repository.tags()).toEqual(["a"]);
  });

  it.each(["{}", "[", '{"tags":[1]}', '{"tags":"a"}'])("are refused as %s", async (body) => {
    proxy.inject(() => ({ kind: "answer", status: 200, body }));
    await expect(repository.tags()).rejects.toMatchObject({ code: "REGISTRY_PROTOCOL" });
  });
});
