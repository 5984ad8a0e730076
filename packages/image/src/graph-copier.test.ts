import { createHash } from "node:crypto";
import { type ByteStream, collectBytes, streamOf } from "@varve/bytes";
import { canonicalJson, type Descriptor, digestFromHex, type Digest, type Fetcher, MEDIA_TYPES } from "@varve/oci";
import { describe, expect, it } from "vitest";
import { copyGraph, type CopyEvent, type CopyTarget } from "./graph-copier.ts";

/** Content in memory that remembers in which order things came. */
class Memory implements Fetcher, CopyTarget {
  readonly content = new Map<Digest, Uint8Array>();
  readonly pushed: Digest[] = [];
  readonly fetched: Digest[] = [];
  running = 0;
  mostRunning = 0;
  /** Waits before a push stores; rejects to fail it. */
  gate: (descriptor: Descriptor, signal: AbortSignal | undefined) => Promise<void> = () => Promise.resolve();

  add(mediaType: string, bytes: Uint8Array): Descriptor {
    const digest = digestFromHex(createHash("sha256").update(bytes).digest("hex"));
    this.content.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  async fetch(descriptor: Descriptor): Promise<ByteStream> {
    this.fetched.push(descriptor.digest);
    const bytes = this.content.get(descriptor.digest);
    if (bytes === undefined) throw new Error(`no ${descriptor.digest}`);
    return streamOf(bytes);
  }

  has(descriptor: Descriptor): Promise<boolean> {
    return Promise.resolve(this.content.has(descriptor.digest));
  }

  async push(descriptor: Descriptor, open: () => Promise<ByteStream>, options?: { readonly signal?: AbortSignal | undefined }): Promise<void> {
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    try {
      const bytes = await collectBytes(await open(), 1e9, () => new Error("big"));
      await this.gate(descriptor, options?.signal);
      this.content.set(descriptor.digest, bytes);
      this.pushed.push(descriptor.digest);
    } finally {
      this.running -= 1;
    }
  }
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function image(source: Memory, name: string, layers: readonly string[]): Descriptor {
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: source.add(MEDIA_TYPES.ociConfig, encode(`config of ${name}`)),
    layers: layers.map((layer) => source.add(MEDIA_TYPES.ociLayerGzip, encode(layer))),
  };
  return source.add(MEDIA_TYPES.ociManifest, canonicalJson(manifest));
}

function index(source: Memory, manifests: readonly Descriptor[]): Descriptor {
  return source.add(MEDIA_TYPES.ociIndex, canonicalJson({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests }));
}

describe("copyGraph", () => {
  it("copies everything, what is named before what names it, each digest once", async () => {
    const source = new Memory();
    const target = new Memory();
    const [a, b] = [image(source, "a", ["shared", "one", "shared"]), image(source, "b", ["shared", "two"])];
    const root = index(source, [a, b]);
    await copyGraph(source, target, root);
    expect(target.content).toEqual(source.content);
    expect(new Set(target.pushed).size).toBe(target.pushed.length);
    expect(target.pushed.at(-1)).toBe(root.digest);
    for (const manifest of [a, b]) {
      const text = new TextDecoder().decode(source.content.get(manifest.digest));
      const named = target.pushed.filter((digest) => text.includes(digest));
      expect(named.length).toBeGreaterThan(1);
      for (const digest of named) expect(target.pushed.indexOf(digest)).toBeLessThan(target.pushed.indexOf(manifest.digest));
    }
  });

  it("reads nothing but manifests when all is there, and not even those of a registry", async () => {
    const source = new Memory();
    const root = image(source, "a", ["one", "two"]);
    const target = new Memory();
    await copyGraph(source, target, root);
    source.fetched.length = 0;
    await copyGraph(source, target, root);
    expect(source.fetched).toEqual([root.digest]);
    source.fetched.length = 0;
    await copyGraph(source, target, root, { trustExisting: true });
    expect(source.fetched).toEqual([]);
  });

  it("completes a graph whose manifest is there but whose blob is not", async () => {
    const source = new Memory();
    const root = image(source, "a", ["one"]);
    const target = new Memory();
    target.content.set(root.digest, source.content.get(root.digest) ?? encode(""));
    await copyGraph(source, target, root);
    expect(target.content).toEqual(source.content);
  });

  it("mounts what another repository has, and uploads where the registry declines", async () => {
    const source = new Memory();
    const target = new Memory();
    const root = image(source, "a", ["base", "own"]);
    const asked: string[] = [];
    const mounter = Object.assign(target, {
      mount: async (descriptor: Descriptor, from: string) => {
        asked.push(from);
        const bytes = source.content.get(descriptor.digest);
        if (from !== "second" || bytes === undefined || new TextDecoder().decode(bytes) !== "base") return false;
        target.content.set(descriptor.digest, bytes);
        return true;
      },
    });
    const events: CopyEvent[] = [];
    await copyGraph(source, mounter, root, {
      mountFrom: (descriptor) => (descriptor.mediaType === MEDIA_TYPES.ociLayerGzip ? ["first", "second"] : []),
      onProgress: (event) => events.push(event),
    });
    expect(asked.toSorted()).toEqual(["first", "first", "second", "second"]);
    expect(events.flatMap((event) => (event.type === "finished" ? [event.outcome] : [])).toSorted()).toEqual(["copied", "copied", "copied", "mounted"]);
    expect(target.content).toEqual(source.content);
  });

  it("leaves foreign layers where their urls say", async () => {
    const source = new Memory();
    const target = new Memory();
    const foreign = { mediaType: MEDIA_TYPES.dockerForeignLayerGzip, digest: digestFromHex("f".repeat(64)), size: 10, urls: ["https://example.invalid/x"] };
    const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPES.dockerManifest, config: source.add(MEDIA_TYPES.dockerConfig, encode("c")), layers: [foreign] };
    const root = source.add(MEDIA_TYPES.dockerManifest, canonicalJson(manifest));
    await copyGraph(source, target, root);
    expect(target.content).toEqual(source.content);
  });

  it("keeps to its number of transfers", async () => {
    const source = new Memory();
    const target = new Memory();
    target.gate = () => new Promise((resolve) => setImmediate(resolve));
    await copyGraph(
      source,
      target,
      image(
        source,
        "a",
        Array.from({ length: 20 }, (_, i) => `layer ${i}`),
      ),
      { concurrency: 3 },
    );
    expect(target.mostRunning).toBe(3);
  });

  it("moves a blob once when two copies to one target run at the same time", async () => {
    const source = new Memory();
    const target = new Memory();
    target.gate = () => new Promise((resolve) => setImmediate(resolve));
    const roots = [image(source, "a", ["base", "x"]), image(source, "b", ["base", "y"])];
    await Promise.all(roots.map((root) => copyGraph(source, target, root)));
    expect(target.pushed.length).toBe(new Set(target.pushed).size);
    expect(target.content).toEqual(source.content);
  });

  it("goes on by itself when the copy it waited for is aborted", async () => {
    const source = new Memory();
    const target = new Memory();
    const root = image(source, "a", ["base"]);
    const first = new AbortController();
    let started = (): void => {};
    const begun = new Promise<void>((resolve) => (started = resolve));
    target.gate = (_, signal) => {
      started();
      return new Promise((resolve, reject) => {
        if (signal === undefined) return resolve();
        signal.addEventListener("abort", () => reject(signal.reason as Error));
        setImmediate(() => (first.signal.aborted ? resolve() : undefined));
      });
    };
    const one = copyGraph(source, target, root, { signal: first.signal });
    const failed = expect(one).rejects.toThrow("enough");
    await begun;
    const two = copyGraph(source, target, root);
    first.abort(new Error("enough"));
    await failed;
    await two;
    expect(target.content).toEqual(source.content);
  });

  it("stops everything when one blob fails, and never shows the manifest", async () => {
    const source = new Memory();
    const target = new Memory();
    const root = image(source, "a", ["good", "bad", "other"]);
    target.gate = async (descriptor) => {
      if (new TextDecoder().decode(source.content.get(descriptor.digest)) === "bad") throw new Error("disk full");
    };
    await expect(copyGraph(source, target, root)).rejects.toThrow("disk full");
    expect(target.running).toBe(0);
    expect(target.content.has(root.digest)).toBe(false);
  });

  it("follows indexes three deep and no deeper", async () => {
    const source = new Memory();
    const three = index(source, [index(source, [index(source, [image(source, "a", ["x"])])])]);
    await copyGraph(source, new Memory(), three);
    await expect(copyGraph(source, new Memory(), index(source, [three]))).rejects.toMatchObject({ code: "IMAGE_TOO_NESTED" });
  });

  it("does nothing once aborted", async () => {
    const source = new Memory();
    const target = new Memory();
    const root = image(source, "a", ["x"]);
    await expect(copyGraph(source, target, root, { signal: AbortSignal.abort(new Error("stop")) })).rejects.toThrow("stop");
    expect(target.content.size).toBe(0);
  });
});
