import { collectBytes, displayPath } from "@varve/bytes";
import { createLayerReader, type Image, imageTree } from "@varve/image";
import { type ContentReader, EMPTY_TREE, type Entry, type FileTree } from "@varve/layer";
import type { HistoryEntry, RuntimeConfig } from "@varve/oci";
import type { Store } from "@varve/store";
import { BASE_CONFIG } from "./golden-base.ts";

const SCRATCH_CONFIG: RuntimeConfig = { ...BASE_CONFIG, Cmd: [], WorkingDir: "/" };
const SHOWN = 300;

/** What a built image is compared by: lines as `expected` has them. */
export interface Outcome {
  readonly listing: readonly string[];
  readonly config: readonly string[];
  readonly history: readonly string[];
}

/** Describes an image as its difference to what it was built on: the image `base`, or `scratch`. */
export async function describeOutcome(store: Store, image: Image, base: Image): Promise<Outcome> {
  const onBase = image.layers[0]?.diffID === base.layers[0]?.diffID;
  const layers = [...image.layers, ...base.layers];
  await using reader = createLayerReader(store, (diffID) => {
    const layer = layers.find((candidate) => candidate.diffID === diffID);
    if (layer === undefined) throw new Error(`no layer ${diffID}`);
    return Promise.resolve(layer.descriptor);
  });
  const inherited = onBase ? (base.config.history?.length ?? 0) : 0;
  return {
    listing: await describeTree(onBase ? await imageTree(store, base) : EMPTY_TREE, await imageTree(store, image), reader),
    config: [...describeConfig(image.config.config ?? {}, onBase ? BASE_CONFIG : SCRATCH_CONFIG), ...describeRest(image)],
    history: (image.config.history ?? []).slice(inherited).map(describeHistory),
  };
}

/** Entries of `tree` that are new in or differ from `base`, and the names that are gone, by path. */
async function describeTree(base: FileTree, tree: FileTree, reader: ContentReader): Promise<readonly string[]> {
  const lines: { readonly path: string; readonly line: string }[] = [];
  const before = new Map(await describeAll(base, reader));
  for (const [path, line] of await describeAll(tree, reader)) {
    if (before.get(path) !== line) lines.push({ path, line });
    before.delete(path);
  }
  for (const path of before.keys()) lines.push({ path, line: `- ${path}` });
  return lines.toSorted((a, b) => (a.path < b.path ? -1 : 1)).map(({ line }) => line);
}

async function describeAll(tree: FileTree, reader: ContentReader): Promise<[string, string][]> {
  const found: [string, string][] = [];
  const first = new Map<number, string>();
  for (const entry of tree.walk()) {
    const path = `/${displayPath(entry.path)}`;
    if (path === "/" && entry.mode === 0o755 && entry.uid === 0 && entry.gid === 0) continue;
    const same = entry.type === "file" ? first.get(entry.node) : undefined;
    if (same === undefined) first.set(entry.node, path);
    found.push([path, same === undefined ? await describeEntry(entry, path, reader) : `h ${path} ${same}`]);
  }
  return found;
}

async function describeEntry(entry: Entry, path: string, reader: ContentReader): Promise<string> {
  const owner = `${entry.uid}:${entry.gid}`;
  const mode = entry.mode.toString(8).padStart(4, "0");
  switch (entry.type) {
    case "symlink":
      return `l ${owner} ${path} ${displayPath(entry.linkTarget ?? entry.path)}`;
    case "directory":
      return `d ${mode} ${owner} ${path}`;
    case "fifo":
      return `p ${mode} ${owner} ${path}`;
    case "char":
    case "block":
      return `${entry.type.charAt(0)} ${mode} ${owner} ${path} ${entry.device?.major ?? 0}:${entry.device?.minor ?? 0}`;
    case "file":
      return `f ${mode} ${owner} ${path} ${await describeContent(entry, reader)}${describeAttributes(entry)}`;
  }
}

/** ` name=hex` for each; BuildKit's exporter leaves `user.*` out. */
function describeAttributes({ xattrs }: Entry): string {
  return [...(xattrs ?? [])]
    .filter(([name]) => !name.startsWith("user."))
    .map(([name, value]) => ` ${name}=${Buffer.from(value).toString("hex")}`)
    .toSorted()
    .join("");
}

async function describeContent({ content, size }: Entry, reader: ContentReader): Promise<string> {
  if (content === undefined) throw new TypeError("a file has content");
  if (size > SHOWN) return `${size} ${await reader.digest(content)}`;
  const bytes = await collectBytes(await reader.open(content), SHOWN, () => new Error("longer than said"));
  return JSON.stringify(new TextDecoder().decode(bytes));
}

function describeConfig(config: RuntimeConfig, start: RuntimeConfig): string[] {
  const values = new Map(Object.entries(start).map(([key, value]) => [key, JSON.stringify(value)]));
  const changed = Object.entries(config)
    .map(([key, value]) => [key, JSON.stringify(value)] as const)
    .filter(([key, text]) => values.get(key) !== text);
  const gone = Object.keys(start).filter((key) => !(key in config) && values.get(key) !== "[]");
  return [...changed.map(([key, text]) => `config ${key} ${text}`), ...gone.map((key) => `config ${key} null`)].toSorted();
}

/** Author and platform, where they are not the base's. */
function describeRest({ config: { author, os, architecture, variant } }: Image): string[] {
  const platform = [os, architecture, ...(variant === undefined ? [] : [variant])].join("/");
  return [...(author === undefined ? [] : [`author ${author}`]), ...(platform === "linux/amd64" ? [] : [`platform ${platform}`])];
}

function describeHistory({ created_by = "", empty_layer = false }: HistoryEntry): string {
  return `${empty_layer ? "empty" : "layer"} ${created_by.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`;
}
