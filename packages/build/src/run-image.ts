import { VarveError } from "@varve/errors";
import { copyGraph, createLayerReader, type Image, openImage } from "@varve/image";
import { formatReference, type IOOptions, parseReference } from "@varve/oci";
import type { RegistryClient } from "@varve/registry";
import { openStore, type Store } from "@varve/store";
import { readAccounts, resolveProcessUser } from "./accounts.ts";
import { hostPlatform } from "./host-platform.ts";
import { baseLayer, createStack, createStackTrees, openLayerTar } from "./layer-stack.ts";
import { runEnvironment } from "./run/environment.ts";
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
  /** The store's folder. */
  readonly home: string;
  /** Where a missing image is pulled from; stays the caller's. */
  readonly registries: RegistryClient;
}

/** How a command in an image ended. */
export interface RunImageResult {
  /** 128 + the signal's number when a signal ended it. */
  readonly exitCode: number;
  /** What the sandbox could not do as Docker would. */
  readonly losses: readonly string[];
}

/** Runs a command on a fresh copy of an image, with this process's stdin, stdout and stderr; what it changes is thrown away. */
export async function runImage(options: RunImageOptions): Promise<RunImageResult> {
  await using store = await openStore({ root: options.home, ...io(options) });
  const image = await findImage(store, options);
  const runtime = image.config.config ?? {};
  const layers = image.layers.map((layer) => baseLayer(store, layer));
  const tree = await createStackTrees().tree(createStack(layers), io(options));
  const reader = createLayerReader(store, async (diffID) => {
    const layer = layers.find((candidate) => candidate.diffID === diffID);
    if (layer === undefined) throw new VarveError("STORE_BLOB_NOT_FOUND", `no layer ${diffID} in ${options.image}`);
    return await layer.stored(io(options));
  });
  const user = resolveProcessUser(options.user ?? runtime.User ?? "", await readAccounts(tree, reader, io(options)));
  const own = Object.entries(options.env).map(([name, value]) => `${name}=${value}`);
  const workdir = options.workdir ?? runtime.WorkingDir ?? "/";

  await using runner = await startRunner(store, options);
  await using outcome = await runner.run({
    layers: layers.map((layer) => ({
      diffID: layer.diffID,
      openTar: (options_) => openLayerTar(store, layer, options_),
      index: (options_) => layer.index(options_),
    })),
    tree,
    args: commandOf(image, options),
    env: runEnvironment([...(runtime.Env ?? []), ...own], { buildArgs: {}, secrets: new Map(), home: user.home }),
    cwd: workdir === "" ? "/" : workdir,
    user,
    network: options.network,
    insecure: false,
    hostname: "varve",
    extraHosts: [],
    ulimits: [],
    mounts: [],
    stdio: "inherit",
    ...io(options),
  });
  return { exitCode: outcome.exitCode, losses: outcome.losses };
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

function commandOf(image: Image, options: RunImageOptions): readonly string[] {
  const runtime = image.config.config ?? {};
  const entrypoint = options.entrypoint === undefined ? (runtime.Entrypoint ?? []) : options.entrypoint === "" ? [] : [options.entrypoint];
  const args = options.args.length > 0 ? options.args : options.entrypoint === undefined ? (runtime.Cmd ?? []) : [];
  const command = [...entrypoint, ...args];
  if (command.length === 0) {
    throw new VarveError("BUILD_NO_COMMAND", `${options.image} has no CMD or ENTRYPOINT`, { hint: `name a command: varve run ${options.image} sh` });
  }
  return command;
}

function io(options: IOOptions): IOOptions {
  return options.signal === undefined ? {} : { signal: options.signal };
}
