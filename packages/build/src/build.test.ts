import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createServer, request as forward, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { appendFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { displayPath } from "@varve/bytes";
import { isVarveError } from "@varve/errors";
import { imageTree, openImage } from "@varve/image";
import { digestHex, type ImageConfig, parseIndex, parseManifest } from "@varve/oci";
import { serveRegistry } from "@varve/registry";
import { openStore } from "@varve/store";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { build, planFor } from "./build.ts";
import type { BuildEvent } from "./build-event.ts";
import type { BuildOptions, BuildResult } from "./build-options.ts";

let root: string;
let context: string;
let home: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "varve-build-"));
  context = join(root, "context");
  home = join(root, "home");
  await mkdir(context);
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function put(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(context, path)), { recursive: true });
    await writeFile(join(context, path), text);
    await utimes(join(context, path), 1_700_000_000, 1_700_000_000);
  }
}

interface Built extends BuildResult {
  readonly events: readonly BuildEvent[];
  /** Titles of steps by how they ended. */
  readonly cachedTitles: readonly string[];
  readonly doneTitles: readonly string[];
}

async function run(dockerfile: string, options: Partial<BuildOptions> = {}): Promise<Built> {
  const events: BuildEvent[] = [];
  const result = await build({ context, dockerfile, home, onProgress: (event) => events.push(event), ...options });
  const titles = new Map(events.flatMap((event) => (event.type === "step-started" ? [[event.step, event.title] as const] : [])));
  const ended = (outcome: string): string[] =>
    events.flatMap((event) => (event.type === "step-finished" && event.outcome === outcome ? [titles.get(event.step) ?? ""] : []));
  return { ...result, events, cachedTitles: ended("cached"), doneTitles: ended("done") };
}

async function inspect(result: BuildResult): Promise<{ readonly config: ImageConfig; readonly files: readonly string[] }> {
  await using store = await openStore({ root: home });
  const image = await openImage(store, result.descriptor);
  const tree = await imageTree(store, image);
  return { config: image.config, files: [...tree.walk()].map((entry) => displayPath(entry.path)).filter((path) => path !== "") };
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("a build without RUN", () => {
  test("from cache reads no layer's index, once it knows the blob", async () => {
    await put({ a: "a" });
    const dockerfile = "FROM scratch\nCOPY a /a\n";
    const { descriptor } = await run(dockerfile);
    expect((await run(dockerfile)).descriptor).toEqual(descriptor);
    const [index = ""] = await readdir(join(home, "layers"));
    await writeFile(join(home, "layers", index), "");
    expect((await run(dockerfile)).descriptor).toEqual(descriptor);
    expect((await stat(join(home, "layers", index))).size).toBe(0);
  });

  test.skipIf(process.platform !== "linux")("from cache needs a store that can be read only", async () => {
    await put({ a: "a" });
    const dockerfile = "FROM scratch\nCOPY a /a\n";
    const { descriptor } = await run(dockerfile);
    const notes = join(home, "cache/converted");
    await rm(notes, { recursive: true });
    // where root can't write either
    await symlink("/proc/sys", notes);
    expect((await run(dockerfile)).descriptor).toEqual(descriptor);
  });

  test("makes layers, config and history", async () => {
    await put({ a: "A", "d/b": "B" });
    const result = await run('FROM scratch\nCOPY a /x/\nCOPY d /x/\nLABEL k=v\nCMD ["/x/a"]', { tags: ["app:1"] });
    const { config, files } = await inspect(result);
    expect(files).toEqual(["x", "x/a", "x/b"]);
    expect(config.rootfs.diff_ids).toHaveLength(2);
    expect(config.history?.map((entry) => [entry.created_by, entry.empty_layer ?? false])).toEqual([
      ["COPY a /x/ # buildkit", false],
      ["COPY d /x/ # buildkit", false],
      ["LABEL k=v", true],
      ['CMD ["/x/a"]', true],
    ]);
    expect(config.created).toBe(config.history?.at(-1)?.created);
    expect(result.names).toEqual(["docker.io/library/app:1"]);
    expect(result.steps).toEqual({ total: 2, cached: 0 });
  });

  test("takes a file that changes meanwhile as it was read, and warns", async () => {
    await put({ a: "A", log: "one\n" });
    let appended = false;
    const events: BuildEvent[] = [];
    const onProgress = (event: BuildEvent): void => {
      events.push(event);
      // the context was listed for the first COPY
      if (event.type !== "step-finished" || appended) return;
      appended = true;
      appendFileSync(join(context, "log"), "two\n");
    };
    const result = await run("FROM scratch\nCOPY a /a\nCOPY . /x/", { onProgress, outputs: [{ type: "local", dest: join(root, "out") }] });
    expect(result.steps).toEqual({ total: 2, cached: 0 });
    expect(await readFile(join(root, "out/x/log"), "utf8")).toBe("one\ntwo\n");
    const warnings = events.flatMap((event) => (event.type === "warning" ? [event.message] : []));
    expect(warnings).toEqual([expect.stringMatching(/^log changed while the build was reading the context/)]);
    // the step's key is of what was read
    expect((await run("FROM scratch\nCOPY a /a\nCOPY . /x/")).steps).toEqual({ total: 2, cached: 2 });
  });

  test("reads a file once when no such step was made before, and knows it by its content afterwards", async () => {
    await put({ a: "A", "d/b": "B", c: "A" });
    const dockerfile = "FROM scratch AS one\nCOPY . /x\nFROM scratch\nCOPY . /x\nCOPY --from=one /x/a /y";
    const first = await run(dockerfile);
    expect(first.steps).toEqual({ total: 3, cached: 0 });
    await utimes(join(context, "a"), 1, 1);
    const second = await run(dockerfile);
    expect(second.steps).toEqual({ total: 3, cached: 3 });
    expect((await inspect(second)).files).toEqual((await inspect(first)).files);
    await writeFile(join(context, "d/b"), "C");
    expect((await run(dockerfile)).steps).toEqual({ total: 3, cached: 0 });
  });

  test("again is all from cache, with the same image", async () => {
    await put({ a: "A" });
    const first = await run("FROM scratch\nCOPY a /a\nENV X=1\nWORKDIR /w");
    const second = await run("FROM scratch\nCOPY a /a\nENV X=1\nWORKDIR /w");
    expect(second.steps).toEqual({ total: 2, cached: 2 });
    expect(second.descriptor).toEqual(first.descriptor);
    expect(second.imageID).toBe(first.imageID);
  });

  test("without cache runs every step", async () => {
    await put({ a: "A" });
    await run("FROM scratch\nCOPY a /a");
    expect((await run("FROM scratch\nCOPY a /a", { noCache: true })).steps).toEqual({ total: 1, cached: 0 });
  });

  test("a touched file is a hit, a changed one misses with all that follows it", async () => {
    await put({ a: "A", b: "B", c: "C" });
    const dockerfile = "FROM scratch\nCOPY a /\nCOPY b /\nCOPY c /";
    await run(dockerfile);
    await utimes(join(context, "a"), 1, 1);
    expect((await run(dockerfile)).steps.cached).toBe(3);
    await put({ b: "changed" });
    expect((await run(dockerfile)).steps.cached).toBe(1);
  });

  test("what doesn't reach the files below leaves them cached: labels, ENV, other spellings", async () => {
    await put({ a: "A" });
    await run("FROM scratch\nCOPY a /x\nCOPY a /y");
    expect((await run("FROM scratch\nLABEL a=b\nENV C=d\nCOPY ./a /x\nCOPY a /y")).steps.cached).toBe(2);
    expect((await run("FROM scratch\nCOPY --chown=1 a /x\nCOPY a /y")).steps.cached).toBe(0);
  });

  test("a stage whose result is the same keeps what is copied from it cached", async () => {
    await put({ a: "A", b: "B" });
    const dockerfile = "FROM scratch AS s\nCOPY a b /\nFROM scratch\nCOPY --from=s /a /a";
    await run(dockerfile);
    await put({ b: "changed" });
    const second = await run(dockerfile);
    expect(second.cachedTitles).toEqual(["[stage-1 1/1] COPY --from=s /a /a"]);
    expect(second.steps).toEqual({ total: 2, cached: 1 });
  });

  test("stages nobody needs are not built, nor is their context read", async () => {
    const result = await run('FROM scratch AS unneeded\nCOPY missing /\nFROM scratch\nCMD ["x"]');
    expect(result.steps.total).toBe(0);
  });

  test("a record whose blob or index is gone counts for nothing", async () => {
    await put({ a: "A" });
    const first = await run("FROM scratch\nCOPY a /a");
    const manifest = parseManifest(await readFile(join(home, "blobs/sha256", digestHex(first.descriptor.digest))));
    await rm(join(home, "blobs/sha256", digestHex(manifest.layers[0]?.digest as never)));
    expect((await run("FROM scratch\nCOPY a /a")).steps.cached).toBe(0);
    await rm(join(home, "layers"), { recursive: true });
    expect((await run("FROM scratch\nCOPY a /a")).steps.cached).toBe(0);
    expect((await run("FROM scratch\nCOPY a /a")).steps.cached).toBe(1);
  });

  test("with SOURCE_DATE_EPOCH gives one digest everywhere", async () => {
    await put({ a: "A" });
    const dockerfile = 'FROM scratch\nCOPY a /p/q/\nWORKDIR /w\nCOPY <<EOF /h\nhello\nEOF\nCMD ["x"]';
    const first = await run(dockerfile, { sourceDateEpoch: 1_600_000_000 });
    const second = await run(dockerfile, { sourceDateEpoch: 1_600_000_000, home: join(root, "other") });
    expect(second.descriptor).toEqual(first.descriptor);
    expect((await inspect(first)).config.created).toBe("2020-09-13T12:26:40Z");
    const third = await run(dockerfile, { buildArgs: { SOURCE_DATE_EPOCH: "1600000000" }, home: join(root, "third") });
    expect(third.descriptor).toEqual(first.descriptor);
  });

  test("finds SOURCE_DATE_EPOCH in the file, and tells it to ARG", async () => {
    await put({ a: "A" });
    const created = async (dockerfile: string, options?: Partial<BuildOptions>): Promise<string | undefined> =>
      (await inspect(await run(dockerfile, options))).config.created;
    const declared = "ARG SOURCE_DATE_EPOCH=1600000000\nFROM scratch\nARG SOURCE_DATE_EPOCH\nLABEL e=$SOURCE_DATE_EPOCH\nCOPY a /";
    expect(await created(declared)).toBe("2020-09-13T12:26:40Z");
    expect(await created(declared, { buildArgs: { SOURCE_DATE_EPOCH: "1600000001" } })).toBe("2020-09-13T12:26:41Z");
    const told = await run(declared, { sourceDateEpoch: 1_600_000_002 });
    expect((await inspect(told)).config.config?.Labels).toEqual({ e: "1600000002" });
    // a directory has no time
    const none = await run(declared, { buildArgs: { SOURCE_DATE_EPOCH: "context" } });
    expect((await inspect(none)).config.config?.Labels).toEqual({ e: "" });
    const refused = run("FROM scratch AS t\nCOPY a /\nFROM scratch\nCOPY a /", { buildArgs: { SOURCE_DATE_EPOCH: "T" } });
    await expect(refused).rejects.toMatchObject({ code: "BUILD_INVALID_OPTION", source: { range: { start: { line: 2 } } } });
  });

  test("an index for one platform where BUILDKIT_MULTI_PLATFORM asks for it", async () => {
    await put({ a: "A" });
    const built = await run("FROM scratch\nCOPY a /", { buildArgs: { BUILDKIT_MULTI_PLATFORM: "1" } });
    expect(built.descriptor.mediaType).toBe("application/vnd.oci.image.index.v1+json");
    expect(built.imageID).toBe(built.descriptor.digest);
    expect(built.events).not.toContainEqual(expect.objectContaining({ type: "warning" }));
    const warned = await run("FROM scratch\nCOPY a /", { buildArgs: { BUILDKIT_INLINE_CACHE: "1" } });
    expect(warned.events).toContainEqual(expect.objectContaining({ type: "warning", rule: "BuildArgument" }));
  });

  test("doesn't take the store for a part of the context it lies in", async () => {
    await put({ a: "A" });
    home = join(context, ".cache/varve");
    const first = await run("FROM scratch\nCOPY . /x/");
    expect((await inspect(first)).files).toEqual(["x", "x/.cache", "x/a"]);
    expect((await run("FROM scratch\nCOPY . /x/")).steps.cached).toBe(1);
  });

  test("leaves nothing but blobs, indexes and records", async () => {
    await put({ a: "A" });
    execFileSync("tar", ["-C", context, "-cf", join(context, "t.tar"), "a"]);
    await run("FROM scratch\nADD t.tar /x/\nCOPY a /y");
    expect(await readdir(join(home, "spool"))).toEqual([]);
    expect(await readdir(join(home, "ingest"))).toEqual([]);
  });
});

describe("several platforms", () => {
  test("make an index, and what they share is made once", async () => {
    await put({ a: "A" });
    const result = await run("FROM --platform=$BUILDPLATFORM scratch AS s\nCOPY a /a\nFROM scratch\nCOPY --from=s /a /b", {
      platforms: ["linux/amd64", "linux/arm64", "linux/amd64"],
      tags: ["multi"],
    });
    const index = parseIndex(await readFile(join(home, "blobs/sha256", digestHex(result.descriptor.digest))));
    expect(index.manifests.map((manifest) => manifest.platform)).toEqual([
      { os: "linux", architecture: "amd64" },
      { os: "linux", architecture: "arm64" },
    ]);
    const records = await readdir(join(home, "cache/steps"));
    expect(records).toHaveLength(2);
  });
});

describe("outputs", () => {
  beforeEach(() => put({ a: "A", "d/b": "B" }));
  const DOCKERFILE = "FROM scratch\nCOPY . /o/";

  test("oci and docker archives and rootfs tars hold the image", async () => {
    const at = (name: string): string => join(root, name);
    await run(DOCKERFILE, {
      outputs: [
        { type: "oci", dest: at("oci.tar"), tar: true, names: ["x:1"] },
        { type: "docker", dest: at("docker.tar"), tar: true, names: ["x:1"] },
        { type: "oci", dest: at("layout"), tar: false, names: [] },
        { type: "tar", dest: at("root.tar") },
        { type: "local", dest: at("out") },
      ],
    });
    const list = (name: string): string[] => execFileSync("tar", ["-tf", at(name)], { encoding: "utf8" }).split("\n");
    expect(list("oci.tar")).toEqual(expect.arrayContaining(["oci-layout", "index.json"]));
    expect(list("docker.tar")).toEqual(expect.arrayContaining(["manifest.json"]));
    expect(list("root.tar")).toEqual(expect.arrayContaining(["o/", "o/a", "o/d/b"]));
    expect(await readdir(at("layout"))).toEqual(expect.arrayContaining(["blobs", "index.json", "oci-layout"]));
    expect(await readFile(at("out/o/d/b"), "utf8")).toBe("B");
  });

  test.each([
    ["a push without a name", { push: true }],
    ["a docker-archive of two platforms", { platforms: ["linux/amd64", "linux/arm64"], outputs: [{ type: "docker", dest: "x", tar: true, names: [] }] }],
    ["an epoch that is no number", { buildArgs: { SOURCE_DATE_EPOCH: "soon" } }],
    ["a name with a digest", { tags: [`x@sha256:${"0".repeat(64)}`] }],
    ["two things on stdin", { context: "-", file: "-" }],
  ] as const)("%s is BUILD_INVALID_OPTION", async (_, options) => {
    expect(await failureOf(run(DOCKERFILE, options as Partial<BuildOptions>))).toMatchObject({ code: "BUILD_INVALID_OPTION" });
  });

  test("a docker layout directory is BUILD_UNSUPPORTED", async () => {
    expect(await failureOf(run(DOCKERFILE, { outputs: [{ type: "docker", dest: join(root, "x"), tar: false, names: [] }] }))).toMatchObject({
      code: "BUILD_UNSUPPORTED",
    });
  });
});

describe("oci-layout:// contexts", () => {
  test("are bases by tag, by digest, or the only image there is", async () => {
    await put({ base: "BASE", own: "OWN" });
    const layout = join(root, "layout");
    const base = await run("FROM scratch\nCOPY base /", { outputs: [{ type: "oci", dest: layout, tar: false, names: ["x:v1"] }] });
    home = join(root, "elsewhere");
    for (const suffix of ["", ":v1", `@${base.descriptor.digest}`]) {
      const next = await run("FROM b\nCOPY own /", { buildContexts: { b: `oci-layout://${layout}${suffix}` } });
      expect((await inspect(next)).files).toEqual(["base", "own"]);
    }
    expect(await failureOf(run("FROM b", { buildContexts: { b: `oci-layout://${layout}:v2` } }))).toMatchObject({ code: "BUILD_INVALID_OPTION" });
    expect(await failureOf(run("FROM b", { buildContexts: { b: `oci-layout://${root}` } }))).toMatchObject({ code: "BUILD_INVALID_OPTION" });
  });
});

describe("registries", () => {
  test("a base in the target registry is mounted: its layers are neither downloaded nor uploaded", async () => {
    await using served = await openStore({ root: join(root, "served") });
    await using server = await serveRegistry({ store: served });
    const host = `127.0.0.1:${server.port}`;
    await put({ base: "BASE", own: "OWN" });
    const base = await run("FROM scratch\nCOPY base /", { tags: [`${host}/team/base:1`], push: true });
    const baseLayer = parseManifest(await readFile(join(home, "blobs/sha256", digestHex(base.descriptor.digest)))).layers[0];
    home = join(root, "elsewhere");
    const pushed = await run(`FROM ${host}/team/base:1\nCOPY --link own /`, { tags: [`${host}/team/app:1`], push: true });
    expect(pushed.pushed).toBe(true);
    expect(await readdir(join(home, "blobs/sha256"))).not.toContain(digestHex(baseLayer?.digest as never));
    home = join(root, "third");
    const next = await run(`FROM ${host}/team/app:1\nCOPY own /again`, { pull: true });
    expect((await inspect(next)).files).toEqual(["again", "base", "own"]);
  });
});

describe("early uploads", () => {
  test("a layer is in the registry before the next step is done; a stage's that is only copied from never is", async () => {
    await using served = await openStore({ root: join(root, "served") });
    await using registry = await serveRegistry({ store: served });
    const blobs = async (): Promise<number> => (await readdir(join(root, "served/blobs/sha256"))).length;
    // answers once the first layer was uploaded
    const waiting = createServer((_, response) => {
      const poll = setInterval(() => {
        void blobs().then((count) => {
          if (count === 0) return;
          clearInterval(poll);
          response.writeHead(200).end("late");
        });
      }, 5);
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => waiting.once("listening", resolve));
    const url = `http://127.0.0.1:${(waiting.address() as AddressInfo).port}/late`;
    await put({ a: "A", b: "B" });
    const tags = [`127.0.0.1:${registry.port}/app:1`];
    const pushed = await run(`FROM scratch AS side\nCOPY b /b\nFROM scratch\nCOPY a /a\nADD ${url} /\nCOPY --from=side /b /c`, { tags, push: true });
    await new Promise((resolve) => waiting.close(resolve));
    expect(pushed.steps.total).toBe(4);
    // three layers, config and manifest
    expect(await blobs()).toBe(5);
    await expect(run("FROM scratch\nCOPY a /other\nCOPY none /", { tags, push: true })).rejects.toMatchObject({ code: "BUILD_COPY_SOURCE_NOT_FOUND" });
    expect((await run("FROM scratch\nCOPY a /other", { tags, push: true })).pushed).toBe(true);
  });

  test.each([true, false])("a layer that differs in part from the last one is sent while it is written; taken so: %s", async (isTaken) => {
    await using served = await openStore({ root: join(root, "served") });
    await using registry = await serveRegistry({ store: served });
    const seen: string[] = [];
    const front = createServer((request, response) => {
      seen.push(request.method ?? "");
      if (request.method === "PATCH" && !isTaken) return void response.writeHead(405).end();
      const { method, url: path, headers } = request;
      const passed = forward({ host: "127.0.0.1", port: registry.port, method, path, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      });
      request.pipe(passed);
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => front.once("listening", resolve));
    const options = { tags: [`127.0.0.1:${(front.address() as AddressInfo).port}/app:1`], push: true };
    await put({ a: "first" });
    await writeFile(join(context, "b"), randomBytes(9 * 1024 * 1024));
    await run("FROM scratch\nCOPY . /", options);
    expect(seen).not.toContain("PATCH");
    await put({ a: "second" });
    const changed = await run("FROM scratch\nCOPY . /", options);
    front.closeAllConnections();
    await new Promise((resolve) => front.close(resolve));
    expect(seen.filter((method) => method === "PATCH")).toHaveLength(1);
    for await (const _ of await served.fetch(changed.descriptor));
    const { layers } = parseManifest(await readFile(join(home, "blobs/sha256", digestHex(changed.descriptor.digest))), changed.descriptor.mediaType);
    for (const layer of layers) for await (const _ of await served.fetch(layer));
  });

  test("what only goes into a directory is not compressed, and can be pushed later", async () => {
    await put({ a: "A".repeat(5000) });
    const outputs = [{ type: "local", dest: join(root, "out") }] as const;
    await run("FROM scratch\nCOPY a /", { outputs });
    const magic = async (): Promise<boolean[]> => {
      const folder = join(home, "blobs/sha256");
      const found = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name))));
      return found.map((bytes) => bytes[0] === 0x1f && bytes[1] === 0x8b);
    };
    expect(await magic()).not.toContain(true);
    expect(await run("FROM scratch\nCOPY a /")).toMatchObject({ steps: { cached: 1 } });
    expect(await magic()).toContain(true);
  });
});

describe("ADD of URLs", () => {
  let server: Server;
  let url: string;
  /** Of `/kept`, and how often it was asked for and sent. */
  let kept = { text: "one", validator: {} as Readonly<Record<string, string>>, asked: 0, sent: 0 };
  beforeAll(async () => {
    server = createServer((request, response) => {
      if (request.url === "/kept") {
        kept.asked++;
        const { etag, "last-modified": modified } = kept.validator;
        const isSame =
          (etag !== undefined && request.headers["if-none-match"] === etag) || (modified !== undefined && request.headers["if-modified-since"] === modified);
        if (isSame) return void response.writeHead(304, kept.validator).end();
        kept.sent++;
        return void response.writeHead(200, kept.validator).end(kept.text);
      }
      if (request.url === "/moved") response.writeHead(302, { location: "/dir/file.txt" }).end();
      else if (request.url?.startsWith("/dir/file.txt") === true) response.writeHead(200, { "last-modified": "Sat, 01 Jan 2000 00:00:00 GMT" }).end("hello");
      else response.writeHead(404).end();
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  test("keeps the server's time, mode 0600 and the URL's name", async () => {
    const result = await run(`FROM scratch\nADD ${url}/dir/file.txt?x=1 ${url}/moved /d/\nADD --chmod=644 ${url}/dir/file.txt /n`);
    await using store = await openStore({ root: home });
    const tree = await imageTree(store, await openImage(store, result.descriptor));
    expect(tree.lookup("d/file.txt" as never)).toMatchObject({ mode: 0o600, uid: 0, mtime: 946_684_800, size: 5 });
    expect(tree.lookup("d/moved" as never)).toMatchObject({ size: 5 });
    expect(tree.lookup("n" as never)).toMatchObject({ mode: 0o644 });
    expect((await run(`FROM scratch\nADD ${url}/dir/file.txt?x=1 ${url}/moved /d/`)).steps.cached).toBe(1);
  });

  test.each([[{ etag: '"1"' }], [{ etag: 'W/"1"' }], [{ "last-modified": "Sat, 01 Jan 2000 00:00:00 GMT" }]])(
    "of what the server says is unchanged (%j) are not downloaded, unless they must be read",
    async (validator: Readonly<Record<string, string>>) => {
      kept = { text: "one", validator, asked: 0, sent: 0 };
      const first = await run(`FROM scratch\nADD ${url}/kept /a`);
      const again = await run(`FROM scratch\nADD ${url}/kept /a`);
      expect(again.descriptor).toEqual(first.descriptor);
      expect(again.steps.cached).toBe(1);
      expect(kept).toMatchObject({ asked: 2, sent: 1 });
      expect((await inspect(await run(`FROM scratch\nADD ${url}/kept /b`))).files).toEqual(["b"]);
      expect(kept).toMatchObject({ asked: 4, sent: 2 });
      kept = { ...kept, text: "two", validator: { etag: '"2"' } };
      expect((await run(`FROM scratch\nADD ${url}/kept /a`)).steps.cached).toBe(0);
    },
  );

  test("of which nothing says whether they changed, or that are pinned by a checksum", async () => {
    kept = { text: "one", validator: {}, asked: 0, sent: 0 };
    await run(`FROM scratch\nADD ${url}/kept /a`);
    expect((await run(`FROM scratch\nADD ${url}/kept /a`)).steps.cached).toBe(1);
    expect(kept).toMatchObject({ asked: 2, sent: 2 });
    const pinned = `FROM scratch\nADD --checksum=sha256:${createHash("sha256").update("one").digest("hex")} ${url}/kept /a`;
    expect((await run(pinned)).steps.cached).toBe(1);
    expect(kept).toMatchObject({ asked: 2 });
  });

  test("that change between the question and the download are CONTEXT_CHANGED, once", async () => {
    kept = { text: "one", validator: { etag: '"1"' }, asked: 0, sent: 0 };
    await run(`FROM scratch\nADD ${url}/kept /a`);
    // the server lies
    kept = { ...kept, text: "two" };
    expect(await failureOf(run(`FROM scratch\nADD ${url}/kept /b`))).toMatchObject({ code: "CONTEXT_CHANGED" });
    expect((await run(`FROM scratch\nADD ${url}/kept /b`)).steps).toEqual({ total: 1, cached: 0 });
  });

  test("checks checksums and statuses", async () => {
    const good = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    await run(`FROM scratch\nADD --checksum=${good} ${url}/dir/file.txt /`);
    const bad = await failureOf(run(`FROM scratch\nADD --checksum=${good.replace("2cf2", "0000")} ${url}/dir/file.txt /`));
    expect(bad).toMatchObject({ code: "CONTEXT_CHECKSUM_MISMATCH", source: { range: { start: { line: 2 } } } });
    expect(await failureOf(run(`FROM scratch\nADD ${url}/none /`))).toMatchObject({ code: "CONTEXT_DOWNLOAD_FAILED" });
  });

  test("a server that isn't there is CONTEXT_DOWNLOAD_FAILED", async () => {
    expect(await failureOf(run("FROM scratch\nADD http://127.0.0.1:1/x /"))).toMatchObject({ code: "CONTEXT_DOWNLOAD_FAILED" });
  });
});

describe("failures", () => {
  test.each([
    ["FROM scratch\nCOPY missing /", "BUILD_COPY_SOURCE_NOT_FOUND"],
    ["FROM scratch\nCOPY a /a\nCOPY a /a/b", "BUILD_COPY_CONFLICT"],
    ["FROM scratch\nRUN --mount=type=secret,id=s,required=true true", "BUILD_SECRET_MISSING"],
    ["FROM scratch\nRUN --mount=type=ssh,required=true true", "BUILD_SECRET_MISSING"],
    ["FROM scratch\nUSER nosuch\nRUN true", "BUILD_USER_NOT_FOUND"],
    ["FROM scratch\nUSER 4294967295\nRUN true", "BUILD_USER_OUT_OF_RANGE"],
    ["FROM scratch\nUSER 0:2147483648\nRUN true", "BUILD_USER_OUT_OF_RANGE"],
    ["FROM scratch\nCOPY passwd /etc/\nUSER odd\nRUN true", "BUILD_USER_OUT_OF_RANGE"],
    ["FROM scratch\nRUN --mount=type=bind,source=none,target=/x true", "BUILD_COPY_SOURCE_NOT_FOUND"],
    ["FROM scratch\nCOPY --from=127.0.0.1:1/none /a /b", "REGISTRY_UNREACHABLE"],
    ["FROM scratch\nRUN --mount=type=bind,from=127.0.0.1:1/none,target=/x true", "REGISTRY_UNREACHABLE"],
  ])("%j is %s, at its line", async (dockerfile, code) => {
    await put({ a: "A", passwd: "odd:x:4294967295:0::/:/bin/sh\n" });
    const error = await failureOf(run(dockerfile));
    expect(error).toMatchObject({ code, source: { text: dockerfile, range: { start: { line: dockerfile.split("\n").length } } } });
  });

  test("of several sources the one that is missing is pointed at", async () => {
    await put({ a: "A" });
    const error = await failureOf(run("FROM scratch\nCOPY a b a /x/"));
    expect(error).toMatchObject({ code: "BUILD_COPY_SOURCE_NOT_FOUND", source: { range: { start: { line: 2, column: 8 }, end: { line: 2, column: 9 } } } });
  });

  test("a missing Dockerfile is BUILD_DOCKERFILE_NOT_FOUND", async () => {
    const error = await failureOf(build({ context, home }));
    expect(error).toMatchObject({ code: "BUILD_DOCKERFILE_NOT_FOUND" });
    await put({ "sub/Dockerfile": "FROM scratch" });
    expect(await failureOf(build({ context, home, file: join(context, "none") }))).toMatchObject({ code: "BUILD_DOCKERFILE_NOT_FOUND" });
    expect(await failureOf(build({ context: join(root, "none"), home }))).toMatchObject({ code: "CONTEXT_NOT_FOUND" });
  });

  test("the first failure stops the rest and is the one thrown", async () => {
    await put({ a: "A" });
    const events: BuildEvent[] = [];
    const dockerfile = "FROM scratch AS one\nCOPY a /\nFROM scratch AS two\nCOPY missing /\nFROM scratch\nCOPY --from=one / /\nCOPY --from=two / /";
    const error = await failureOf(build({ context, dockerfile, home, onProgress: (event) => events.push(event) }));
    expect(isVarveError(error, "BUILD_COPY_SOURCE_NOT_FOUND")).toBe(true);
    const started = events.filter((event) => event.type === "step-started").length;
    expect(events.filter((event) => event.type === "step-finished")).toHaveLength(started);
  });

  test("an aborted signal is BUILD_CANCELLED, before and during", async () => {
    await put({ a: "A" });
    expect(await failureOf(run("FROM scratch\nCOPY a /", { signal: AbortSignal.abort() }))).toMatchObject({ code: "BUILD_CANCELLED" });
    const controller = new AbortController();
    const cancelled = failureOf(run("FROM scratch\nCOPY a /", { signal: controller.signal, onProgress: () => controller.abort() }));
    expect(await cancelled).toMatchObject({ code: "BUILD_CANCELLED" });
  });

  test("a base that is no image is told at its line", async () => {
    expect(await failureOf(run("FROM scratch AS a\nFROM inv@lid"))).toMatchObject({
      code: expect.stringMatching(/^(OCI|PLAN)_INVALID/) as string,
      source: { range: { start: { line: 2 } } },
    });
  });
});

test("planFor gives the plan without carrying it out", async () => {
  const plans = await planFor({ context, home, dockerfile: "FROM scratch\nCOPY missing /x", platforms: ["linux/amd64", "linux/arm64"] });
  expect(plans.map((plan) => plan.platform.architecture)).toEqual(["amd64", "arm64"]);
  expect(JSON.parse(JSON.stringify(plans))).toEqual(plans);
});
