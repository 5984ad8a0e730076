import { sha256Hex } from "@varve/archive";
import { type Dockerfile, parseDockerfile } from "@varve/dockerfile";
import { VarveError } from "@varve/errors";
import { openImage, storeImage } from "@varve/image";
import { digestFromHex, formatReference, type HistoryEntry, type ImageConfig, type IOOptions, parseReference, serializeImageConfig } from "@varve/oci";
import { planBuild, requiredBases, type ResolvedBase } from "@varve/plan";
import { openStore } from "@varve/store";
import { hostPlatform } from "../host-platform.ts";
import { rfc3339 } from "../rfc3339.ts";
import type { Container } from "./container.ts";
import { openContainers } from "./container-shelf.ts";

/** What `varve commit` takes. */
export interface CommitOptions extends IOOptions {
  /** The container's name, or the start of its id. */
  readonly container: string;
  /** What the image is to be called; without it, it has a digest only. */
  readonly tag?: string;
  /** Dockerfile instructions that change the config, in order. */
  readonly changes?: readonly string[];
  readonly message?: string;
  readonly author?: string;
  /** The store's folder. */
  readonly home: string;
}

/** The image a container became. */
export interface CommitResult {
  /** Config digest. */
  readonly imageID: string;
  /** Of the manifest. */
  readonly digest: string;
}

/** Those `docker commit --change` takes: they change the config and no file. */
const CHANGES = ["CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"];

/** Makes an image of what a container changed: one layer on top of its image's, and one line of history. Throws BUILD_CONTAINER_*. */
export async function commitContainer(options: CommitOptions): Promise<CommitResult> {
  const io: IOOptions = options.signal === undefined ? {} : { signal: options.signal };
  await using store = await openStore({ root: options.home, ...io });
  await using _lease = await store.lease(io);
  const name = options.tag === undefined ? undefined : formatReference(parseReference(options.tag));
  const containers = await openContainers(store);
  const container = await containers.find(options.container);
  if (container.end === undefined) throw unfinished(container, (await containers.state(container)) === "running");
  const image = await openImage(store, container.manifest, io);
  const { layer } = container.end;
  const changed = applyChanges({ ...image.config, config: container.config }, options.changes ?? []);
  const created = rfc3339(Date.now());
  const entry: HistoryEntry = {
    created,
    created_by: container.command.join(" "),
    ...(options.author === undefined ? {} : { author: options.author }),
    ...(options.message === undefined ? {} : { comment: options.message }),
    ...(layer === undefined ? { empty_layer: true } : {}),
  };
  const config: ImageConfig = {
    ...changed,
    created,
    ...(options.author === undefined ? {} : { author: options.author }),
    rootfs: { type: "layers", diff_ids: [...image.config.rootfs.diff_ids, ...(layer === undefined ? [] : [layer.diffID])] },
    history: [...(image.config.history ?? []), entry],
  };
  const layers = [...image.layers.map(({ descriptor }) => descriptor), ...(layer === undefined ? [] : [layer.blob])];
  const descriptor = await storeImage(store, { config, layers }, io);
  if (name !== undefined) await store.tag(descriptor, name, io);
  return { imageID: digestFromHex(sha256Hex(serializeImageConfig(config))), digest: descriptor.digest };
}

function unfinished(container: Container, running: boolean): VarveError {
  return running
    ? new VarveError("BUILD_CONTAINER_RUNNING", `container ${container.name} is running`, { hint: "a container is committed when its command has ended" })
    : new VarveError("BUILD_CONTAINER_DEAD", `container ${container.name} was killed before its changes were kept`, { hint: `varve rm ${container.name}` });
}

/** A config with instructions applied, by the planner that builds use. */
function applyChanges(config: ImageConfig, changes: readonly string[]): ImageConfig {
  if (changes.length === 0) return config;
  const dockerfile = parseDockerfile(`FROM container\n${changes.join("\n")}\n`, { file: "--change" });
  requireChanges(dockerfile);
  const options = { buildPlatform: hostPlatform(), buildArgs: {}, labels: {}, namedContexts: {}, network: "default" } as const;
  // triggers are for builds on top of an image
  const base = { ...config, config: { ...config.config, OnBuild: null } };
  const bases: Record<string, ResolvedBase> = {};
  for (const { key } of requiredBases(dockerfile, options)) bases[key] = { config: base, digest: NO_DIGEST };
  const planned = planBuild(dockerfile, options, bases).config;
  const triggers = [...(config.config?.OnBuild ?? []), ...(planned.config?.OnBuild ?? [])];
  return { ...config, config: { ...planned.config, ...(triggers.length === 0 ? {} : { OnBuild: triggers }) } };
}

/** The planner names a base by one; nothing is read by it. */
const NO_DIGEST = digestFromHex(sha256Hex(new Uint8Array()));

function requireChanges(dockerfile: Dockerfile): void {
  const instructions = dockerfile.stages.flatMap((stage) => stage.instructions);
  const stages = dockerfile.stages.length;
  const refused = stages > 1 ? "FROM" : instructions.find(({ keyword }) => !CHANGES.includes(keyword.toUpperCase()))?.keyword;
  if (refused !== undefined) {
    throw new VarveError("BUILD_INVALID_OPTION", `${refused.toUpperCase()} is no change that can be committed`, { hint: `known are ${CHANGES.join(", ")}` });
  }
}
