import { posix, resolve as resolvePath } from "node:path";
import { isVarveError, VarveError } from "@varve/errors";
import { type ByteSink, copyGraph, type CopyEvent, writeDockerArchive, writeOciArchive, writeOciLayout, writeTreeDirectory, writeTreeTar } from "@varve/image";
import { createTreeBuilder, diffTrees, EMPTY_TREE, type FileTree } from "@varve/layer";
import { type Descriptor, type Fetcher, formatPlatform, formatReference, type IOOptions, parseReference, type Resolver } from "@varve/oci";
import type { RegistryClient } from "@varve/registry";
import type { BuildOptions, Output } from "../build-options.ts";
import type { EventSink, StepEvents } from "../events.ts";
import type { Execution } from "../step/execution.ts";
import { formOf, mainForm } from "./form.ts";
import { imageIDOf, type Result, type Results } from "./results.ts";

/** What a build's result goes out with. */
export interface OutputScope {
  readonly execution: Execution;
  readonly registries: RegistryClient;
  readonly events: EventSink;
}

/** What was done with a result. */
export interface Delivered {
  readonly names: readonly string[];
  readonly pushed: boolean;
}

/** `-o`, `-t` and `--push` as a list of outputs; without any of them the image goes into the store. Throws BUILD_INVALID_OPTION. */
export function outputsOf(options: BuildOptions): readonly Output[] {
  const names = (options.tags ?? []).map((name) => formatReference(parseReference(name)));
  const given = (options.outputs ?? []).map((output): Output =>
    "names" in output ? { ...output, names: output.names.length === 0 ? names : output.names.map((name) => formatReference(parseReference(name))) } : output,
  );
  const outputs =
    given.length === 0
      ? [{ type: "image", names, push: options.push === true } as const]
      : options.push === true && !given.some(isPush)
        ? withPush(given, names)
        : given;
  for (const output of outputs) formOf(output, options.sourceDateEpoch);
  const nameless = outputs.find((output) => isPush(output) && "names" in output && output.names.length === 0);
  const pinned = outputs.flatMap((output) => ("names" in output ? output.names : [])).find((name) => parseReference(name).digest !== undefined);
  if (pinned !== undefined)
    throw new VarveError("BUILD_INVALID_OPTION", `${pinned} has a digest, which only the result can have`, { hint: "name it by a tag" });
  if (nameless !== undefined) throw new VarveError("BUILD_INVALID_OPTION", "an image that is pushed needs a name", { hint: "add -t REGISTRY/NAME:TAG" });
  return outputs;
}

/** `--push` beside `-o`: the images that are named there are pushed, as they are to be written; else one more is. */
function withPush(given: readonly Output[], names: readonly string[]): readonly Output[] {
  if (!given.some((output) => output.type === "image")) return [...given, { type: "image", names, push: true }];
  return given.map((output) => (output.type === "image" ? { ...output, push: true } : output));
}

function isPush(output: Output): boolean {
  return output.type === "image" && output.push;
}

/** Sends a result everywhere it should go, one output after the other. */
export async function deliver(scope: OutputScope, results: Results, outputs: readonly Output[], io: IOOptions): Promise<Delivered> {
  const names = new Set<string>();
  let pushed = false;
  for (const [at, output] of outputs.entries()) {
    const events = scope.events.step(`output ${at + 1}`, titleOf(output));
    try {
      const epoch = scope.execution.options.sourceDateEpoch;
      const form = output.type === "local" || output.type === "tar" ? mainForm(outputs, epoch) : formOf(output, epoch);
      const result = await events.part("exporting layers", () => results(form));
      await deliverOne(scope, result, output, events, io);
      events.done();
    } catch (error) {
      events.failed(error);
      throw error;
    }
    if (output.type === "image") for (const name of output.names) names.add(name);
    pushed ||= isPush(output);
  }
  return { names: [...names], pushed };
}

function titleOf(output: Output): string {
  switch (output.type) {
    case "image":
      return "exporting to image";
    case "local":
      return "exporting to client directory";
    case "tar":
      return "exporting to client tarball";
    default:
      return `exporting to ${output.type} image format`;
  }
}

async function deliverOne(scope: OutputScope, result: Result, output: Output, events: StepEvents, io: IOOptions): Promise<void> {
  switch (output.type) {
    case "image":
      return output.push ? push(scope, result, output.names, events, io) : keep(scope, result, output.names, events, io);
    case "oci":
    case "docker":
      return archive(scope, result, output, events, io);
    case "tar":
    case "local":
      return files(scope, result, output, events, io);
  }
}

async function keep(scope: OutputScope, result: Result, names: readonly string[], events: StepEvents, io: IOOptions): Promise<void> {
  // what of the base is not in the store yet is fetched
  await events.part(`writing image ${imageIDOf(result)}`, async () => {
    for (const image of result.images) await Promise.all(image.layers.map((layer) => layer.stored(io)));
  });
  await nameImage(scope, result, names, events, io);
}

async function nameImage(scope: OutputScope, result: Result, names: readonly string[], events: StepEvents, io: IOOptions): Promise<void> {
  for (const name of names) await events.part(`naming to ${name}`, () => scope.execution.store.tag(result.descriptor, name, io));
}

async function push(scope: OutputScope, result: Result, names: readonly string[], events: StepEvents, io: IOOptions): Promise<void> {
  const bases = await scope.execution.images.resolved();
  const source = lazySource(scope);
  await scope.execution.uploads.settled();
  for (const name of names) {
    const reference = parseReference(name);
    const repository = scope.registries.repository(reference);
    const tag = reference.tag ?? "latest";
    const elsewhere = bases.flatMap(({ reference: base, image }) =>
      base?.registry === reference.registry && base.repository !== reference.repository ? [{ repository: base.repository, image }] : [],
    );
    const mountFrom = (blob: Descriptor): readonly string[] =>
      elsewhere.filter(({ image }) => image.layers.some((layer) => layer.descriptor.digest === blob.digest)).map((base) => base.repository);
    const options = { mountFrom, signal: io.signal, onProgress: transferProgress(events) };
    const isThere = await events.part("pushing layers", async () => {
      const { digest } = result.descriptor;
      if ((await scope.execution.uploads.tagged(reference)) === digest || (await isTagged(repository, tag, result.descriptor, io))) return true;
      await copyGraph(source, repository, result.descriptor, options);
      return false;
    });
    await events.part(`pushing manifest for ${name}@${result.descriptor.digest}`, async () => {
      if (!isThere) await repository.tag(result.descriptor, tag, io);
    });
  }
  // an image of which the store has everything can be used from it; what was only mounted in the registry is not downloaded for that
  if (await isComplete(scope, result, io)) await nameImage(scope, result, names, events, io);
}

/** Whether a tag means this manifest already: then the registry has all of it, as far as one that refuses incomplete ones can be trusted. */
async function isTagged(repository: Resolver, tag: string, { digest }: Descriptor, io: IOOptions): Promise<boolean> {
  try {
    return (await repository.resolve(tag, io)).digest === digest;
  } catch (error) {
    io.signal?.throwIfAborted();
    // no such tag, or nothing is there that we may read: a push will tell
    if (isVarveError(error)) return false;
    throw error;
  }
}

/** The store, and for a base's layers that it lacks, where the base is. */
function lazySource(scope: OutputScope): Fetcher {
  const { store, images } = scope.execution;
  return {
    async fetch(descriptor, options) {
      if (await store.has(descriptor, options)) return store.fetch(descriptor, options);
      for (const base of await images.resolved()) {
        const layer = base.image.layers.find((candidate) => candidate.descriptor.digest === descriptor.digest);
        if (layer !== undefined) return layer.open(options);
      }
      return store.fetch(descriptor, options);
    },
  };
}

async function isComplete(scope: OutputScope, result: Result, io: IOOptions): Promise<boolean> {
  for (const { layers } of result.images) {
    for (const { descriptor } of layers) if (!(await scope.execution.store.has(descriptor, io))) return false;
  }
  return true;
}

async function archive(
  scope: OutputScope,
  result: Result,
  output: Extract<Output, { type: "oci" | "docker" }>,
  events: StepEvents,
  io: IOOptions,
): Promise<void> {
  const source = lazySource(scope);
  const image = { descriptor: result.descriptor, names: output.names };
  const options = { signal: io.signal, onProgress: transferProgress(events) };
  if (!output.tar) return writeOciLayout(source, [image], output.dest, options);
  const write = output.type === "oci" ? writeOciArchive : writeDockerArchive;
  await write(source, [image], sinkOf(output.dest), options);
}

async function files(scope: OutputScope, result: Result, output: Extract<Output, { type: "tar" | "local" }>, events: StepEvents, io: IOOptions): Promise<void> {
  const { execution } = scope;
  for (const image of result.images) {
    const built = await execution.trees.tree(image.stack, io);
    const { sourceDateEpoch } = execution.options;
    // as BuildKit's exporters of files: all of them, not only what is later
    const tree = sourceDateEpoch === undefined ? built : withTimes(built, sourceDateEpoch);
    if (output.type === "tar") {
      await writeTreeTar(tree, execution.layerReader, sinkOf(output.dest), io);
      continue;
    }
    const folder = result.multiPlatform ? formatPlatform(image.platform).replaceAll("/", "_") : "";
    const { entries, incomplete } = await writeTreeDirectory(tree, execution.layerReader, posix.join(resolvePath(output.dest), folder), io);
    events.note(`${entries} entries written`);
    if (incomplete.length > 0)
      events.note(`${incomplete.length} entries are not complete: devices and FIFOs, and attributes that could not be set, stay behind`);
  }
}

function withTimes(tree: FileTree, mtime: number): FileTree {
  const builder = createTreeBuilder();
  // not simply a walk: a root that is as any other stays unsaid
  for (const change of diffTrees(EMPTY_TREE, tree).changes) if (change.kind !== "deleted") builder.set({ ...change.entry, mtime });
  return builder.finish();
}

function sinkOf(dest: string): ByteSink {
  if (dest !== "-") return dest;
  return async (stream) => {
    for await (const piece of stream) {
      if (!process.stdout.write(piece)) await new Promise<void>((resolve) => process.stdout.once("drain", resolve));
    }
  };
}

function transferProgress(events: StepEvents): (event: CopyEvent) => void {
  return (event) => {
    const name = event.descriptor.digest;
    if (event.type === "progress") events.progress(name, event.current, event.total);
    else if (event.type === "finished" && event.outcome !== "copied")
      events.progress(`${name} (${event.outcome === "exists" ? "already there" : event.outcome})`, event.descriptor.size, event.descriptor.size);
  };
}
