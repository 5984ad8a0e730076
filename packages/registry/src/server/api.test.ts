import { connect } from "node:net";
import { canonicalJson, type Descriptor, MEDIA_TYPES } from "@varve/oci";
import { blobOf, createServedSpace, pushImage, randomBlob, randomImage, type ServedSpace, type TestBlob } from "@varve/testkit/registry";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createRegistryClient } from "../registry-client.ts";
import { releaseServed } from "./served-images.ts";
import { isServedName } from "./served-name.ts";

let space: ServedSpace;
beforeEach(async () => {
  space = await createServedSpace();
});
afterEach(() => space[Symbol.asyncDispose]());

function send(method: string, path: string, init: { readonly body?: Uint8Array; readonly headers?: Record<string, string> } = {}): Promise<Response> {
  const body = init.body === undefined ? {} : { body: Buffer.from(init.body) };
  return fetch(new URL(path, space.server.url), { method, redirect: "manual", ...(init.headers === undefined ? {} : { headers: init.headers }), ...body });
}

async function complaint(response: Response): Promise<unknown> {
  const { errors } = (await response.json()) as { errors: { code: string; message: string }[] };
  expect(errors[0]?.message).not.toBe("");
  return [response.status, errors[0]?.code];
}

async function push(image: ReturnType<typeof randomImage>, repository: string, tag: string): Promise<void> {
  await using client = createRegistryClient();
  await pushImage(client.repository({ registry: space.host, repository }), image, tag);
}

async function putManifest(blob: TestBlob, reference: string, repository = "a"): Promise<Response> {
  return send("PUT", `/v2/${repository}/manifests/${reference}`, { body: blob.bytes, headers: { "content-type": blob.descriptor.mediaType } });
}

describe("uploads", () => {
  const begin = async (): Promise<string> => {
    const response = await send("POST", "/v2/a/b/blobs/uploads/");
    expect([response.status, response.headers.get("range")]).toEqual([202, "0-0"]);
    return response.headers.get("location") ?? "";
  };

  it("in chunks, in order, to the end", async () => {
    const { bytes, descriptor } = randomBlob(1000);
    const location = await begin();
    const first = await send("PATCH", location, { body: bytes.subarray(0, 400), headers: { "content-range": "0-399" } });
    expect([first.status, first.headers.get("range"), first.headers.get("location")]).toEqual([202, "0-399", location]);
    const gap = await send("PATCH", location, { body: bytes.subarray(500, 600), headers: { "content-range": "500-599" } });
    expect([gap.status, gap.headers.get("range")]).toEqual([416, "0-399"]);
    const status = await send("GET", location);
    expect([status.status, status.headers.get("range")]).toEqual([204, "0-399"]);
    const whole = await send("PUT", `${location}?digest=${descriptor.digest}`, { body: bytes.subarray(400), headers: { "content-range": "400-999" } });
    expect([whole.status, whole.headers.get("location"), whole.headers.get("docker-content-digest")]).toEqual([
      201,
      `/v2/a/b/blobs/${descriptor.digest}`,
      descriptor.digest,
    ]);
    expect(Buffer.from(await (await send("GET", `/v2/a/b/blobs/${descriptor.digest}`)).arrayBuffer())).toEqual(Buffer.from(bytes));
    expect((await send("GET", location)).status).toBe(404);
  });

  it("in one POST, or without a body after all chunks", async () => {
    const one = randomBlob(10);
    expect((await send("POST", `/v2/a/blobs/uploads/?digest=${one.descriptor.digest}`, { body: one.bytes })).status).toBe(201);
    const location = await begin();
    const two = randomBlob(10);
    await send("PATCH", location, { body: two.bytes });
    expect((await send("PUT", `${location}?digest=${two.descriptor.digest}`)).status).toBe(201);
    const empty = blobOf(new Uint8Array(0));
    expect((await send("PUT", `${await begin()}?digest=${empty.descriptor.digest}`)).status).toBe(201);
    expect((await send("GET", `/v2/a/blobs/${empty.descriptor.digest}`)).headers.get("content-length")).toBe("0");
  });

  it("are refused with another digest, and leave nothing", async () => {
    const { descriptor } = randomBlob(10);
    const location = await begin();
    expect(await complaint(await send("PUT", `${location}?digest=${descriptor.digest}`, { body: new Uint8Array(10) }))).toEqual([400, "DIGEST_INVALID"]);
    expect((await send("HEAD", `/v2/a/b/blobs/${descriptor.digest}`)).status).toBe(404);
    for (const digest of ["", "sha256:abc", `sha512:${"0".repeat(128)}`, `sha256:${"A".repeat(64)}`]) {
      expect(await complaint(await send("PUT", `${await begin()}?digest=${digest}`, { body: new Uint8Array(10) }))).toEqual([400, "DIGEST_INVALID"]);
    }
  });

  it("can be given up, and are known in their own repository only", async () => {
    const location = await begin();
    expect(await complaint(await send("GET", location.replace("/a/b/", "/a/c/")))).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
    expect((await send("DELETE", location)).status).toBe(204);
    expect(await complaint(await send("PATCH", location, { body: new Uint8Array(1) }))).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
  });

  it("keep what arrived before a connection broke", async () => {
    const { bytes, descriptor } = randomBlob(300_000);
    const location = await begin();
    let offset = 0;
    while (offset === 0) {
      const socket = connect(space.server.port, "127.0.0.1");
      socket.on("error", () => {});
      socket.write(`PATCH ${location} HTTP/1.1\r\nhost: x\r\ncontent-length: ${bytes.length}\r\n\r\n`);
      await new Promise<void>((done) => socket.write(bytes.subarray(0, 100_000), () => done()));
      await new Promise((done) => setTimeout(done, 10));
      // a client that comes back on another connection while the server still waits on the first
      const end = Number((await send("GET", location)).headers.get("range")?.slice("0-".length));
      offset = end === 0 ? 0 : end + 1;
      socket.destroy();
    }
    expect(offset).toBeLessThanOrEqual(100_000);
    expect((await send("PUT", `${location}?digest=${descriptor.digest}`, { body: bytes.subarray(offset) })).status).toBe(201);
  });

  it("mount what the store has, from wherever", async () => {
    const { bytes, descriptor } = randomBlob(10);
    await send("POST", `/v2/a/blobs/uploads/?digest=${descriptor.digest}`, { body: bytes });
    expect((await send("POST", `/v2/b/blobs/uploads/?mount=${descriptor.digest}&from=a`)).status).toBe(201);
    const absent = await send("POST", `/v2/b/blobs/uploads/?mount=${randomBlob(9).descriptor.digest}&from=a`);
    expect([absent.status, absent.headers.get("location")]).toEqual([202, expect.stringContaining("/v2/b/blobs/uploads/")]);
  });
});

describe("blobs", () => {
  it("whole, in part, and not again", async () => {
    const { bytes, descriptor } = randomBlob(1000);
    await send("POST", `/v2/a/blobs/uploads/?digest=${descriptor.digest}`, { body: bytes });
    const path = `/v2/a/blobs/${descriptor.digest}`;
    const head = await send("HEAD", path);
    expect([head.status, head.headers.get("content-length"), head.headers.get("accept-ranges")]).toEqual([200, "1000", "bytes"]);
    const part = await send("GET", path, { headers: { range: "bytes=10-19" } });
    expect([part.status, part.headers.get("content-range"), Buffer.from(await part.arrayBuffer())]).toEqual([
      206,
      "bytes 10-19/1000",
      Buffer.from(bytes.subarray(10, 20)),
    ]);
    const outside = await send("GET", path, { headers: { range: "bytes=1000-" } });
    expect([outside.status, outside.headers.get("content-range")]).toEqual([416, "bytes */1000"]);
    expect((await send("GET", path, { headers: { "if-none-match": head.headers.get("etag") ?? "" } })).status).toBe(304);
    expect(await complaint(await send("GET", `/v2/a/blobs/${randomBlob(1).descriptor.digest}`))).toEqual([404, "BLOB_UNKNOWN"]);
    expect(await complaint(await send("GET", "/v2/a/blobs/latest"))).toEqual([400, "DIGEST_INVALID"]);
    expect(await complaint(await send("DELETE", path))).toEqual([405, "UNSUPPORTED"]);
  });
});

describe("manifests", () => {
  it("by tag and digest; deleted by either", async () => {
    const image = randomImage(10);
    await push(image, "a", "v1");
    await push(image, "a", "v2");
    const { digest, size, mediaType } = image.manifest.descriptor;
    for (const reference of ["v1", digest]) {
      const head = await send("HEAD", `/v2/a/manifests/${reference}`);
      expect([head.status, head.headers.get("content-type"), head.headers.get("content-length"), head.headers.get("docker-content-digest")]).toEqual([
        200,
        mediaType,
        String(size),
        digest,
      ]);
    }
    expect((await send("DELETE", "/v2/a/manifests/v1")).status).toBe(202);
    expect(await complaint(await send("GET", "/v2/a/manifests/v1"))).toEqual([404, "MANIFEST_UNKNOWN"]);
    expect((await send("GET", `/v2/a/manifests/${digest}`)).status).toBe(200);
    expect((await send("DELETE", `/v2/a/manifests/${digest}`)).status).toBe(202);
    expect(await complaint(await send("GET", "/v2/a/manifests/v2"))).toEqual([404, "NAME_UNKNOWN"]);
    expect(await complaint(await send("DELETE", `/v2/a/manifests/${digest}`))).toEqual([404, "MANIFEST_UNKNOWN"]);
  });

  it("keep to their repository; an old one stays when its tag moves", async () => {
    const [old, next] = [randomImage(10), randomImage(10)];
    await push(old, "a", "v1");
    await push(next, "a", "v1");
    expect((await send("GET", `/v2/a/manifests/${old.manifest.descriptor.digest}`)).status).toBe(200);
    expect(await complaint(await send("GET", `/v2/b/manifests/${old.manifest.descriptor.digest}`))).toEqual([404, "NAME_UNKNOWN"]);
  });

  it("are refused when they are not whole", async () => {
    const image = randomImage(10);
    expect(await complaint(await putManifest(image.manifest, "v1"))).toEqual([400, "MANIFEST_BLOB_UNKNOWN"]);
    await push(image, "a", "v1");
    const wrongSize = { ...(JSON.parse(Buffer.from(image.manifest.bytes).toString()) as { config: Descriptor }) };
    wrongSize.config = { ...wrongSize.config, size: 1 };
    expect(await complaint(await putManifest(blobOf(canonicalJson(wrongSize), MEDIA_TYPES.ociManifest), "v2"))).toEqual([400, "MANIFEST_INVALID"]);
    expect(await complaint(await putManifest(image.manifest, randomBlob(1).descriptor.digest))).toEqual([400, "DIGEST_INVALID"]);
    expect(await complaint(await putManifest(image.manifest, "-v"))).toEqual([400, "MANIFEST_INVALID"]);
    expect(
      await complaint(await putManifest({ ...image.manifest, descriptor: { ...image.manifest.descriptor, mediaType: MEDIA_TYPES.ociIndex } }, "v2")),
    ).toEqual([400, "MANIFEST_INVALID"]);
    expect(await complaint(await putManifest({ ...image.manifest, descriptor: { ...image.manifest.descriptor, mediaType: "text/plain" } }, "v2"))).toEqual([
      415,
      "MANIFEST_INVALID",
    ]);
    expect(await complaint(await putManifest(blobOf(Buffer.from("{"), MEDIA_TYPES.ociManifest), "v2"))).toEqual([400, "MANIFEST_INVALID"]);
    expect(await complaint(await putManifest(blobOf(new Uint8Array(4 * 1024 * 1024 + 1).fill(32), MEDIA_TYPES.ociManifest), "v2"))).toEqual([
      413,
      "MANIFEST_INVALID",
    ]);
    expect(await (await send("GET", "/v2/a/tags/list")).json()).toEqual({ name: "a", tags: ["v1"] });
  });

  it("of an index need those it names; foreign layers may be elsewhere", async () => {
    const image = randomImage(10);
    const index = (child: Descriptor): TestBlob =>
      blobOf(canonicalJson({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [child] }), MEDIA_TYPES.ociIndex);
    expect(await complaint(await putManifest(index(image.manifest.descriptor), "multi"))).toEqual([400, "MANIFEST_BLOB_UNKNOWN"]);
    await push(image, "a", "v1");
    expect((await putManifest(index(image.manifest.descriptor), "multi")).status).toBe(201);
    const foreign = { ...randomBlob(5).descriptor, mediaType: MEDIA_TYPES.dockerForeignLayerGzip, urls: ["https://elsewhere.test/layer"] };
    const config = { ...image.blobs[0]!.descriptor, mediaType: MEDIA_TYPES.dockerConfig };
    const windows = blobOf(canonicalJson({ schemaVersion: 2, mediaType: MEDIA_TYPES.dockerManifest, config, layers: [foreign] }), MEDIA_TYPES.dockerManifest);
    expect((await putManifest(windows, "windows")).status).toBe(201);
  });
});

describe("referrers", () => {
  it("are listed by subject and type, also before the subject is there", async () => {
    const image = randomImage(10);
    const empty = blobOf(Buffer.from("{}"), MEDIA_TYPES.ociEmpty);
    await send("POST", `/v2/a/blobs/uploads/?digest=${empty.descriptor.digest}`, { body: empty.bytes });
    const referrer = (artifactType: string): TestBlob =>
      blobOf(
        canonicalJson({
          schemaVersion: 2,
          mediaType: MEDIA_TYPES.ociManifest,
          artifactType,
          config: empty.descriptor,
          layers: [],
          subject: image.manifest.descriptor,
          annotations: { note: artifactType },
        }),
        MEDIA_TYPES.ociManifest,
      );
    for (const type of ["application/x.sbom", "application/x.signature"]) {
      const blob = referrer(type);
      const response = await putManifest(blob, blob.descriptor.digest);
      expect([response.status, response.headers.get("oci-subject")]).toEqual([201, image.manifest.descriptor.digest]);
    }
    const path = `/v2/a/referrers/${image.manifest.descriptor.digest}`;
    const all = await send("GET", path);
    expect(all.headers.get("content-type")).toBe(MEDIA_TYPES.ociIndex);
    const { manifests } = (await all.json()) as { manifests: Descriptor[] };
    expect(manifests.map(({ artifactType }) => String(artifactType)).toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
      "application/x.sbom",
      "application/x.signature",
    ]);
    expect(manifests[0]?.annotations).toEqual({ note: manifests[0]?.artifactType });
    const some = await send("GET", `${path}?artifactType=application/x.sbom`);
    expect([some.headers.get("oci-filters-applied"), ((await some.json()) as { manifests: unknown[] }).manifests.length]).toEqual(["artifactType", 1]);
    expect((await (await send("GET", `/v2/none/referrers/${image.manifest.descriptor.digest}`)).json()) as object).toMatchObject({ manifests: [] });
    expect(await complaint(await send("GET", "/v2/a/referrers/latest"))).toEqual([400, "DIGEST_INVALID"]);
  });
});

describe("lists", () => {
  it("of tags and repositories come in order and in pages", async () => {
    const image = randomImage();
    for (const tag of ["c", "a", "b", "B", "1"]) await push(image, "x/y", tag);
    await push(image, "w", "1");
    const list = async (path: string): Promise<unknown> => {
      const response = await send("GET", path);
      return [await response.json(), response.headers.get("link")];
    };
    expect(await list("/v2/x/y/tags/list")).toEqual([{ name: "x/y", tags: ["1", "B", "a", "b", "c"] }, null]);
    expect(await list("/v2/x/y/tags/list?n=2")).toEqual([{ name: "x/y", tags: ["1", "B"] }, '</v2/x/y/tags/list?n=2&last=B>; rel="next"']);
    expect(await list("/v2/x/y/tags/list?n=2&last=b")).toEqual([{ name: "x/y", tags: ["c"] }, null]);
    expect(await list("/v2/x/y/tags/list?n=0")).toEqual([{ name: "x/y", tags: [] }, null]);
    expect(await list("/v2/_catalog?n=1")).toEqual([{ repositories: ["w"] }, '</v2/_catalog?n=1&last=w>; rel="next"']);
    expect(await complaint(await send("GET", "/v2/x/y/tags/list?n=-1"))).toEqual([400, "PAGINATION_NUMBER_INVALID"]);
    expect(await complaint(await send("GET", "/v2/none/tags/list"))).toEqual([404, "NAME_UNKNOWN"]);
  });
});

describe("the store", () => {
  const digestOf = async (path: string): Promise<string | null> => (await send("HEAD", path)).headers.get("docker-content-digest");
  const store = async (image: ReturnType<typeof randomImage>, ...names: readonly string[]): Promise<string> => {
    for (const { descriptor, open } of [...image.blobs, image.manifest]) await space.store.push(descriptor, open);
    for (const name of names) await space.store.tag(image.manifest.descriptor, name);
    return image.manifest.descriptor.digest;
  };

  it("has pushes under the server's own address, so that they are images like others", async () => {
    const image = randomImage();
    await push(image, "team/app", "v1");
    const names = (await space.store.refs()).map(({ name }) => name);
    expect(names).toEqual([`${space.host}/team/app:v1`, `served.invalid/team/app@${image.manifest.descriptor.digest}`]);
    expect(names.map(isServedName)).toEqual([false, true]);
    expect(space.server.name).toBe(space.host);
  });

  it("is served by path, whatever the host; Docker Hub's library also without", async () => {
    const digest = await store(randomImage(5), "docker.io/library/app:1", "localhost:5000/x/y:t", "quay.io/team/tool:2");
    for (const path of ["app/manifests/1", "library/app/manifests/1", "x/y/manifests/t", "team/tool/manifests/2", `x/y/manifests/${digest}`]) {
      expect([path, await digestOf(`/v2/${path}`)]).toEqual([path, digest]);
    }
    expect(await (await send("GET", "/v2/_catalog")).json()).toEqual({ repositories: ["app", "team/tool", "x/y"] });
    expect(await (await send("GET", "/v2/library/app/tags/list")).json()).toEqual({ name: "library/app", tags: ["1"] });
    expect(await digestOf(`/v2/nowhere/manifests/${digest}`)).toBeNull();
  });

  it("of one path under several hosts: pushes first, then loopback, Docker Hub, the rest", async () => {
    const others = await store(randomImage(1), "quay.io/team/app:1");
    expect(await digestOf("/v2/team/app/manifests/1")).toBe(others);
    const hub = await store(randomImage(2), "docker.io/team/app:1");
    expect(await digestOf("/v2/team/app/manifests/1")).toBe(hub);
    const loopback = await store(randomImage(3), "localhost:9/team/app:1");
    expect(await digestOf("/v2/team/app/manifests/1")).toBe(loopback);
    const own = randomImage(4);
    await push(own, "team/app", "1");
    expect(await digestOf("/v2/team/app/manifests/1")).toBe(own.manifest.descriptor.digest);
    // a push moves no other name
    expect((await space.store.refs()).find(({ name }) => name === "docker.io/team/app:1")?.descriptor.digest).toBe(hub);
    expect((await send("DELETE", "/v2/team/app/manifests/1")).status).toBe(202);
    expect(await digestOf("/v2/team/app/manifests/1")).toBe(loopback);
    for (const reference of ["1", hub]) expect(await complaint(await send("DELETE", `/v2/team/app/manifests/${reference}`))).toEqual([405, "UNSUPPORTED"]);
  });

  it("gives what an index names by digest, in that index's repository only", async () => {
    const image = randomImage(5);
    const child = await store(image);
    const index = blobOf(
      canonicalJson({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [image.manifest.descriptor, randomImage().manifest.descriptor] }),
      MEDIA_TYPES.ociIndex,
    );
    await space.store.push(index.descriptor, index.open);
    await space.store.tag(index.descriptor, "docker.io/team/multi:1");
    expect(await digestOf(`/v2/team/multi/manifests/${child}`)).toBe(child);
    await store(randomImage(6), "docker.io/team/other:1");
    expect(await digestOf(`/v2/team/other/manifests/${child}`)).toBeNull();
  });

  it("lets go of what was kept by digest with the last name of the path", async () => {
    const image = randomImage(5);
    await push(image, "team/app", "1");
    const index = blobOf(canonicalJson({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [image.manifest.descriptor] }), MEDIA_TYPES.ociIndex);
    expect((await putManifest(index, "multi", "team/app")).status).toBe(201);
    const remove = async (tag: string): Promise<string[]> => {
      const name = `${space.host}/team/app:${tag}`;
      const descriptor = (await space.store.refs()).find((ref) => ref.name === name)?.descriptor;
      await space.store.untag(name);
      await releaseServed(space.store, name, descriptor!);
      return (await space.store.refs()).map((ref) => ref.name);
    };
    expect(await remove("1")).toContain(`served.invalid/team/app@${image.manifest.descriptor.digest}`);
    expect(await remove("multi")).toEqual([]);
  });
});

describe("who may ask", () => {
  it("not a web page", async () => {
    for (const headers of [{ origin: "https://evil.test" }, { "sec-fetch-site": "cross-site" }, { "sec-fetch-site": "same-origin" }] as Record<
      string,
      string
    >[]) {
      // fetch() sets these itself
      const status = await new Promise<string>((done) => {
        const socket = connect(space.server.port, "127.0.0.1");
        const [[name, value] = ["", ""]] = Object.entries(headers);
        socket.setEncoding("utf8").once("data", (text: string) => {
          done(text.split("\r\n")[0] ?? "");
          socket.destroy();
        });
        socket.write(`GET /v2/ HTTP/1.1\r\nhost: x\r\n${name}: ${value}\r\n\r\n`);
      });
      expect(status).toBe("HTTP/1.1 403 Forbidden");
    }
  });

  it("nobody for a change, where it is read-only", async () => {
    await using readOnly = await createServedSpace({ readOnly: true });
    const url = readOnly.server.url;
    expect((await fetch(`${url}/v2/`)).status).toBe(200);
    for (const [method, path] of [
      ["POST", "/v2/a/blobs/uploads/"],
      ["PUT", "/v2/a/manifests/v1"],
      ["DELETE", "/v2/a/manifests/v1"],
      ["GET", "/v2/a/blobs/uploads/x"],
    ] as const) {
      expect(await complaint(await fetch(url + path, { method }))).toEqual([405, "UNSUPPORTED"]);
    }
  });

  it("in the words of the API only", async () => {
    expect((await send("GET", "/v2/")).headers.get("docker-distribution-api-version")).toBe("registry/2.0");
    expect((await send("GET", "/v1/_ping")).status).toBe(404);
    expect(await complaint(await send("GET", "/v2/UPPER/tags/list"))).toEqual([400, "NAME_INVALID"]);
    const wrong = await send("POST", "/v2/a/tags/list");
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });
});
