import { randomBytes } from "node:crypto";
import { VarveError } from "@varve/errors";
import { copyGraph, createLayer, createLayerReader, type Image, openImage } from "@varve/image";
import { type ContentReader, type FileTree, withParents } from "@varve/layer";
import { formatReference, type IOOptions, parseReference, type RuntimeConfig } from "@varve/oci";
import type { RegistryClient } from "@varve/registry";
import type { RunOutcome } from "@varve/snapshot";
import { openStore, type Store } from "@varve/store";
import { readAccounts, resolveProcessUser } from "./accounts.ts";
import type { Container, ContainerEnd } from "./container/container.ts";
import { containerName, isContainerName } from "./container/container-name.ts";
import { type ContainerShelf, openContainers } from "./container/container-shelf.ts";
import { inheritedStreams, terminalStreams } from "./container/run-streams.ts";
import { hostPlatform } from "./host-platform.ts";
import { baseLayer, createStack, createStackTrees, stackedLayers, type StackLayer } from "./layer-stack.ts";
import { rfc3339 } from "./rfc3339.ts";
import { runEnvironment } from "./run/environment.ts";
import { outcomeReader } from "./run/outcome-reader.ts";
import { type RungChoice, startRunner } from "./run/start-runner.ts";

/** What `varve run` takes. */
export interface RunImageOptions extends IOOptions, RungChoice {
  /** A name; taken from the store, else pulled. */
  readonly image: string;
  /** In place of the image's Cmd, when not empty. */
  readonly args: readonly string[];
  /** In place of the image's Entrypoint (and then its Cmd counts for nothing, as in docker run). */
  readonly entrypoint?: string;
  /** Added to the image's environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly workdir?: string;
  readonly user?: string;
  readonly network: "default" | "none" | "host";
  /** Directories and files of the host; `source` and `target` are absolute. */
  readonly volumes?: readonly RunVolume[];
  /** The command gets this process's stdin (default: an empty one). */
  readonly interactive?: boolean;
  /** The command gets a terminal. */
  readonly terminal?: boolean;
  /** Keeps what the command changed as a container of the store, under a name (`true`: one that is made up). */
  readonly keep?: string | true;
  /** The store's folder. */
  readonly home: string;
  /** Where a missing image is pulled from; stays the caller's. */
  readonly registries: RegistryClient;
}

/** A part of the host that a command sees, and may change. */
export interface RunVolume {
  readonly source: string;
  readonly target: string;
  readonly readonly: boolean;
}

/** How a command in an image ended. */
export interface RunImageResult {
  /** 128 + the signal's number when a signal ended it. */
  readonly exitCode: number;
  /** What the sandbox could not do as Docker would. */
  readonly losses: readonly string[];
  /** What was kept. */
  readonly container?: Container;
}

/** An image ready to run on. */
interface OpenedImage {
  readonly store: Store;
  readonly image: Image;
  readonly layers: readonly StackLayer[];
  readonly tree: FileTree;
  readonly reader: ContentReader;
  /** With what the options put in its place. */
  readonly config: RuntimeConfig;
  readonly command: readonly string[];
}

/** Runs a command on a fresh copy of an image, with this process's streams; what it changes is thrown away, or kept as a container. */
export async function runImage(options: RunImageOptions): Promise<RunImageResult> {
  await using store = await openStore({ root: options.home, ...io(options) });
  await using _lease = await store.lease(io(options));
  const opened = await openForRun(store, options);
  if (options.keep === undefined) return await runOn(opened, options);
  const containers = await openContainers(store);
  const container = await newContainer(opened, options, { containers, keep: options.keep });
  await using _held = await containers.hold(container.id);
  await containers.save(container);
  try {
    const result = await runOn(opened, options, container);
    if (result.container !== undefined) await containers.save(result.container);
    return result;
  } catch (error) {
    await containers.discard(container);
    throw error;
  }
}

async function openForRun(store: Store, options: RunImageOptions): Promise<OpenedImage> {
  const image = await findImage(store, options);
  const config = runtimeOf(image, options);
  const command = commandOf(options, config);
  const layers = image.layers.map((layer) => baseLayer(store, layer));
  const tree = await createStackTrees().tree(createStack(layers), io(options));
  const reader = createLayerReader(store, async (diffID) => {
    const layer = layers.find((candidate) => candidate.diffID === diffID);
    if (layer === undefined) throw new VarveError("STORE_BLOB_NOT_FOUND", `no layer ${diffID} in ${options.image}`);
    return await layer.stored(io(options));
  });
  return { store, image, layers, tree, reader, config, command };
}

async function runOn(opened: OpenedImage, options: RunImageOptions, container?: Container): Promise<RunImageResult> {
  const { store, layers, tree, reader, config, command } = opened;
  const user = resolveProcessUser(config.User ?? "", await readAccounts(tree, reader, io(options)));
  const workdir = config.WorkingDir ?? "";
  await using streams = options.terminal === true ? await terminalStreams(options.interactive ?? false) : inheritedStreams(options.interactive ?? false);
  await using runner = await startRunner(store, options, streams.streams);
  await using outcome = await runner.run({
    layers: stackedLayers(store, layers),
    tree,
    treeReader: reader,
    args: command,
    env: runEnvironment(options.terminal === true ? ["TERM=xterm", ...(config.Env ?? [])] : (config.Env ?? []), noSecrets(user.home)),
    cwd: workdir === "" ? "/" : workdir,
    user,
    network: options.network,
    insecure: false,
    hostname: container?.id.slice(0, 12) ?? "varve",
    extraHosts: [],
    ulimits: [],
    mounts: [...streams.mounts, ...(options.volumes ?? []).map((volume) => ({ kind: "host", ...volume }) as const)],
    stdio: streams.stdio,
    ...io(options),
  });
  const { exitCode, losses } = outcome;
  const layer = container === undefined ? undefined : await keptLayer(opened, outcome, options);
  await runner[Symbol.asyncDispose]();
  await streams.drain();
  if (container === undefined) return { exitCode, losses };
  const end = { at: rfc3339(Date.now()), exitCode, ...(layer === undefined ? {} : { layer }) };
  return { exitCode, losses, container: { ...container, end } };
}

/** Stores what a command changed; `undefined` when that is nothing. */
async function keptLayer({ store, tree, reader }: OpenedImage, outcome: RunOutcome, options: RunImageOptions): Promise<ContainerEnd["layer"]> {
  const changes = await outcome.changes(io(options));
  if (changes.changes[Symbol.iterator]().next().done === true) return undefined;
  const made = await createLayer(store, withParents(tree, changes), outcomeReader(outcome, reader), io(options));
  return { diffID: made.diffID, blob: await made.blob };
}

async function newContainer(
  { image, config, command }: OpenedImage,
  options: RunImageOptions,
  { containers, keep }: { readonly containers: ContainerShelf; readonly keep: string | true },
): Promise<Container> {
  const taken = new Set((await containers.list()).map(({ name }) => name));
  if (keep !== true && !isContainerName(keep)) {
    throw new VarveError("BUILD_INVALID_OPTION", `${JSON.stringify(keep)} is no name for a container`, {
      hint: "two characters or more: letters, digits, and after the first also _ . -",
    });
  }
  if (keep !== true && taken.has(keep)) {
    throw new VarveError("BUILD_INVALID_OPTION", `there is a container ${keep} already`, { hint: `varve rm ${keep} removes it` });
  }
  return {
    version: 1,
    id: randomBytes(32).toString("hex"),
    name: keep === true ? containerName(taken) : keep,
    image: formatReference(parseReference(options.image)),
    manifest: image.descriptor,
    config,
    command,
    created: rfc3339(Date.now()),
  };
}

/** An image's runtime config with what the options put in its place. */
function runtimeOf(image: Image, options: RunImageOptions): RuntimeConfig {
  const runtime = image.config.config ?? {};
  const own = Object.entries(options.env).map(([name, value]) => `${name}=${value}`);
  const inherited = (runtime.Env ?? []).filter((pair) => !Object.hasOwn(options.env, pair.split("=", 1)[0] ?? ""));
  const entrypoint = options.entrypoint === undefined ? runtime.Entrypoint : options.entrypoint === "" ? null : [options.entrypoint];
  const cmd = options.args.length > 0 ? options.args : options.entrypoint === undefined ? runtime.Cmd : null;
  return {
    ...runtime,
    ...(own.length === 0 ? {} : { Env: [...inherited, ...own] }),
    ...(options.workdir === undefined ? {} : { WorkingDir: options.workdir }),
    ...(options.user === undefined ? {} : { User: options.user }),
    ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint }),
    ...(cmd === undefined ? {} : { Cmd: cmd }),
  };
}

function commandOf(options: RunImageOptions, config: RuntimeConfig): readonly string[] {
  const command = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (command.length > 0) return command;
  throw new VarveError("BUILD_NO_COMMAND", `${options.image} has no CMD or ENTRYPOINT`, { hint: `name a command: varve run ${options.image} sh` });
}

async function findImage(store: Store, options: RunImageOptions): Promise<Image> {
  const reference = parseReference(options.image);
  const name = formatReference(reference);
  const platform = hostPlatform();
  const known = (await store.refs(io(options))).find((ref) => ref.name === name);
  if (known !== undefined) return await openImage(store, known.descriptor, { platform, ...io(options) });
  const repository = options.registries.repository(reference);
  const { descriptor } = await openImage(repository, await repository.resolve(reference.digest ?? reference.tag ?? "latest", io(options)), {
    platform,
    ...io(options),
  });
  await copyGraph(repository, store, descriptor, io(options));
  await store.tag(descriptor, name, io(options));
  return await openImage(store, descriptor, io(options));
}

function noSecrets(home: string): Parameters<typeof runEnvironment>[1] {
  return { buildArgs: {}, secrets: new Map(), home };
}

function io(options: IOOptions): IOOptions {
  return options.signal === undefined ? {} : { signal: options.signal };
}
