import { type CacheBackend, createLocalCache } from "@varve/cache";
import { type BuildContext, createRemoteMemory } from "@varve/context";
import { VarveError } from "@varve/errors";
import { createLayerReader } from "@varve/image";
import { type DiffID, formatPlatform, parseReference } from "@varve/oci";
import type { Plan } from "@varve/plan";
import { createRegistryClient, dockerConfigCredentials, type RegistryClient } from "@varve/registry";
import type { Runner } from "@varve/snapshot";
import { startRunner } from "./run/start-runner.ts";
import { createStepFlock } from "./run/step-flock.ts";
import { openStore, type Store } from "@varve/store";
import { type BaseImages, createBaseImages } from "./base/base-images.ts";
import { checkDefinition, checkOffline, type CheckResult } from "./check/check.ts";
import { outlineDefinition, type OutlineResult, targetsOfDefinition, type TargetsResult } from "./check/outline.ts";
import { createLayeredCache } from "./cache/layered-cache.ts";
import { createRepositoryCache } from "./cache/repository-cache.ts";
import { builderArgsOf, unheededArgs } from "./builder-args.ts";
import type { BuildOptions, BuildResult } from "./build-options.ts";
import { type Definition, type DefinitionFolders, openDefinition, openNamedContext, requireNamedContexts } from "./definition.ts";
import { createEventSink, type EventSink } from "./events.ts";
import { hostPlatform } from "./host-platform.ts";
import { createStackTrees, type StackLayer } from "./layer-stack.ts";
import { requireOptions } from "./option-check.ts";
import { openConversions } from "./output/conversions.ts";
import { requireDestinations } from "./output/destination.ts";
import { mainForm, stepCodec } from "./output/form.ts";
import { createEarlyUploads } from "./output/early-uploads.ts";
import { deliver, outputsOf } from "./output/outputs.ts";
import { createResults, imageIDOf } from "./output/results.ts";
import { executePlan, type ExecutedPlan } from "./plan-execution.ts";
import { planAll, type Planned, type PlanningScope } from "./planning.ts";
import { createResources, type Resources } from "./resources.ts";
import { requireSecrets } from "./run/secrets.ts";
import { homeOf, platformsOf } from "./settings.ts";
import { settleEpoch } from "./source-date-epoch.ts";
import type { Execution } from "./step/execution.ts";

/**
 * Builds a Dockerfile and sends the result where it should go. Throws VarveErrors, those of a step with the Dockerfile's excerpt; what
 * was begun is ended and cleaned up before it throws. Stops when `options.signal` is aborted (BUILD_CANCELLED).
 */
export async function build(options: BuildOptions): Promise<BuildResult> {
  requireOptions(options);
  // what is wrong with them is said before anything is opened; what they may need of the time is known later
  outputsOf({ ...options, sourceDateEpoch: options.sourceDateEpoch ?? 0 });
  return withSession(options, async (session) => {
    const { sourceDateEpoch: epoch } = session.options;
    const outputs = outputsOf(session.options);
    await requireDestinations(outputs, platformsOf(options).length);
    await requireSecrets(options);
    await requireNamedContexts(options);
    const planned = await session.plan();
    const executed = await executePlans(session, planned);
    const io = { signal: session.signal };
    const scope = { execution: session.execution, registries: session.registries, events: session.events };
    const results = createResults(
      { store: session.store, conversions: await openConversions(session.store) },
      executed,
      { epoch, multiPlatform: session.execution.builderArgs.multiPlatform },
      io,
    );
    const delivered = await deliver(scope, results, outputs, io);
    const result = await results(mainForm(outputs, epoch));
    await Promise.all(session.execution.background);
    return {
      descriptor: result.descriptor,
      imageID: imageIDOf(result),
      ...delivered,
      steps: countSteps(executed),
    };
  });
}

/** The plans of a build, one a platform, without carrying them out (`varve build --print`). Reads manifests and configs of bases. */
export async function planFor(options: BuildOptions): Promise<readonly Plan[]> {
  return withSession(options, async (session) => (await session.plan()).plans);
}

/**
 * What BuildKit's checks say of the Dockerfile, each warning once, without building (`varve build --check`). Reads manifests and configs of bases; with
 * `offline` nothing but files of the context, and what depends on a base's config is not checked. Throws DOCKERFILE_* for what can't be parsed.
 */
export async function checkFor(options: BuildOptions, how: { readonly offline?: boolean } = {}): Promise<CheckResult> {
  requireOptions(options);
  if (how.offline === true) return checkOffline(options);
  return withSession(options, async ({ definition, planning, options: settled }) => checkDefinition(definition, settled, planning));
}

/** What can be given to the target, without building (`varve build --call outline`). Reads manifests and configs of bases. Throws as {@link build}. */
export async function outlineFor(options: BuildOptions): Promise<OutlineResult> {
  return withSession(options, async ({ definition, planning, options: settled }) => outlineDefinition(definition, settled, planning));
}

/** The stages that can be built (`varve build --call targets`). Reads the Dockerfile alone. */
export async function targetsFor(options: BuildOptions): Promise<TargetsResult> {
  return withSession(options, async ({ definition }) => targetsOfDefinition(definition));
}

/** What a build works with. */
export interface Session {
  readonly options: BuildOptions;
  readonly store: Store;
  readonly registries: RegistryClient;
  readonly events: EventSink;
  readonly signal: AbortSignal;
  readonly execution: Execution;
  readonly definition: Definition;
  readonly planning: PlanningScope;
  plan(): Promise<Planned>;
  /** Stops everything. */
  readonly abort: (reason: unknown) => void;
}

/** Opens what a build works with for the length of `use`; all of it is ended and freed after. */
export async function withSession<T>(
  given: BuildOptions,
  use: (session: Session) => Promise<T>,
  how: { readonly defaultEpoch?: number | undefined } = {},
): Promise<T> {
  requireOptions(given);
  const controller = new AbortController();
  const signal = given.signal === undefined ? controller.signal : AbortSignal.any([given.signal, controller.signal]);
  await using resources = createResources();
  try {
    signal.throwIfAborted();
    const store = resources.use(await openStore({ root: homeOf(given), signal }));
    // locked by another process, while the context is opened: nothing of it needs what pruning would remove
    const leasing = store.lease({ signal });
    leasing.catch(() => {});
    resources.use({
      [Symbol.asyncDispose]: () =>
        leasing.then(
          (lease) => lease[Symbol.asyncDispose](),
          () => {},
        ),
    });
    const registries = resources.use(
      createRegistryClient({ credentials: dockerConfigCredentials({ env: process.env }), insecureRegistries: given.insecureRegistries ?? [] }),
    );
    const events = createEventSink(given.onProgress);
    const images = createBaseImages({ store, registries, pull: given.pull === true, events });
    const folders = { spool: await store.directory("spool"), contexts: await store.directory("contexts"), store: store.root };
    const onWarning = (message: string): void => events.warning("BuildContext", message);
    for (const message of unheededArgs(given)) events.warning("BuildArgument", message);
    const definition = resources.use(disposableDefinition(await openDefinition(given, folders, { signal, onWarning })));
    await leasing;
    const options = await settleEpoch(given, { definition, directory: folders.spool, otherwise: how.defaultEpoch, signal });
    const execution = await createExecution(options, { store, images, signal, definition, folders, resources, registries, events, onWarning });
    execution.uploads.connect();
    const planning: PlanningScope = { images, events, io: { signal } };
    const plan = (): Promise<Planned> => planAll(definition, options, platformsOf(options), planning);
    try {
      return await use({ options, store, registries, events, signal, execution, definition, planning, plan, abort: (reason) => controller.abort(reason) });
    } catch (error) {
      controller.abort(error);
      throw error;
    } finally {
      // nothing may still be writing when the store is closed
      await Promise.allSettled(execution.background);
      await execution.uploads.settled();
    }
  } catch (error) {
    if (given.signal?.aborted === true) throw new VarveError("BUILD_CANCELLED", "the build was cancelled", { cause: error });
    throw error;
  }
}

function disposableDefinition(definition: Definition): Definition & AsyncDisposable {
  return { ...definition, [Symbol.asyncDispose]: async () => definition.context[Symbol.asyncDispose]() };
}

interface ExecutionParts {
  readonly store: Store;
  readonly images: BaseImages;
  readonly signal: AbortSignal;
  readonly definition: Definition;
  readonly folders: DefinitionFolders;
  readonly resources: Resources;
  readonly onWarning: (message: string) => void;
  readonly registries: RegistryClient;
  readonly events: EventSink;
}

async function createExecution(options: BuildOptions, parts: ExecutionParts): Promise<Execution> {
  const { store, signal, folders, resources, onWarning } = parts;
  const layers = new Map<DiffID, StackLayer>();
  const contexts = new Map<string, Promise<BuildContext>>([["", Promise.resolve(parts.definition.context)]]);
  const openContext = async (name: string): Promise<BuildContext> => {
    const source = options.buildContexts?.[name];
    if (source === undefined) throw new VarveError("BUILD_INVALID_OPTION", `there is no build context named ${JSON.stringify(name)}`);
    return resources.use(await openNamedContext(source, folders, { signal, onWarning }));
  };
  let runner: Promise<Runner> | undefined;
  const { sourceDateEpoch: epoch } = options;
  const outputs = outputsOf(options);
  return {
    options,
    builderArgs: builderArgsOf(options),
    store,
    cache: await openCache(options, parts),
    latest: createLocalCache(await store.directory("cache", "latest")),
    images: parts.images,
    signal,
    trees: createStackTrees(),
    layers,
    layerReader: resources.use(
      createLayerReader(store, async (diffID) => {
        const layer = layers.get(diffID);
        if (layer === undefined) throw new TypeError(`layer ${diffID} is of no result of this build`);
        return layer.stored({ signal });
      }),
    ),
    context(name) {
      const known = contexts.get(name) ?? openContext(name);
      contexts.set(name, known);
      return known;
    },
    runner: () => (runner ??= startRunner(store, options).then((started) => resources.use(started))),
    endRunner: async () => await (await runner)?.[Symbol.asyncDispose](),
    flock: resources.use(createStepFlock(folders.spool)).lock,
    running: new Map(),
    toldLosses: new Set(),
    uploads: createEarlyUploads(outputs, { store, registries: parts.registries, epoch }, { signal }),
    background: [],
    spool: folders.spool,
    remotes: createRemoteMemory(await store.directory("cache", "remotes")),
    codec: stepCodec(mainForm(outputs, epoch)),
    now: epoch === undefined ? Date.now() : epoch * 1000,
    platform: hostPlatform(),
  };
}

/** The store's records, and over them those of a repository when one is named. */
async function openCache(options: BuildOptions, { store, registries, events }: ExecutionParts): Promise<CacheBackend> {
  const local = createLocalCache(await store.directory("cache", "steps"));
  const remote = options.cacheRepository;
  if (remote === undefined) return local;
  const reference = parseReference(remote.name);
  const far = createRepositoryCache({ store, repository: registries.repository(reference), maxAge: remote.maxAge });
  const warn = (error: unknown): void => events.warning("CacheRepository", error instanceof Error ? error.message : String(error));
  return createLayeredCache(local, far, remote.readOnly === true ? undefined : warn);
}

/** Carries out all plans at once; the first failure stops the others, and is the one that is thrown. */
export async function executePlans(session: Pick<Session, "execution" | "events" | "abort">, { dockerfile, plans }: Planned): Promise<readonly ExecutedPlan[]> {
  const { execution, events } = session;
  let failure: { readonly error: unknown } | undefined;
  const onFailure = (error: unknown): void => {
    failure ??= { error };
    session.abort(error);
  };
  const scopes = plans.map((plan) => ({ execution, dockerfile, events, onFailure, prefix: plans.length > 1 ? `${formatPlatform(plan.platform)} ` : "" }));
  const settled = await Promise.allSettled(plans.map((plan, at) => executePlan(scopes[at] ?? { execution, dockerfile, events, onFailure, prefix: "" }, plan)));
  if (failure !== undefined) throw failure.error;
  // it takes as long to end as an image to be written; that it failed is told when it is ended with all else
  execution.endRunner().catch(() => {});
  return settled.map((one) => {
    if (one.status === "rejected") throw one.reason;
    return one.value;
  });
}

function countSteps(executed: readonly ExecutedPlan[]): { readonly total: number; readonly cached: number } {
  const steps = executed.flatMap(({ plan, results }) => plan.vertices.filter((vertex) => "parent" in vertex).map((vertex) => results.get(vertex.id)));
  return { total: steps.length, cached: steps.filter((step) => step?.kind === "stack" && step.cached === true).length };
}
