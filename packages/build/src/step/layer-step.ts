import { createCacheKey, type CacheKey, type KeyComponent } from "@varve/cache";
import { createLayer, storeLayer, type StoredLayer } from "@varve/image";
import { type ChangeSet, type ContentReader, type FileTree, type LayerTar, withParents } from "@varve/layer";
import type { DiffID } from "@varve/oci";
import type { Vertex } from "@varve/plan";
import type { Lock } from "@varve/store";
import { type LayerStack, storedLayer } from "../layer-stack.ts";
import { rfc3339 } from "../rfc3339.ts";
import { lockStep } from "./step-lock.ts";
import type { Execution, LayerOutcome, StepScope } from "./execution.ts";

/** Changes when equal components would give another layer than before, so that records of older versions are not used. */
const SEMANTICS = "4";

/** The work of a step that its cache key did not save. */
export interface ProducedChanges extends AsyncDisposable {
  readonly changes: ChangeSet;
  /** Reads the contents of `changes` until this is disposed. */
  readonly reader: ContentReader;
  /** What `changes` is a difference to. */
  readonly base: FileTree;
  /** Called last, with the layer that was written of `changes`: what is unpacked anyway can be kept for a step on top. */
  keep?(diffID: DiffID): Promise<void>;
}

/** A layer that is known otherwise than by changes. */
export interface ProducedTar extends AsyncDisposable {
  readonly tar: LayerTar;
}

/** A step that adds a layer. */
export interface LayerStep {
  readonly vertex: Vertex;
  /** What it is whatever it reads: the same for the step as it was before a change and after. */
  readonly outline: readonly KeyComponent[];
  /** All that its result depends on, but for the parent. */
  components(): Promise<readonly KeyComponent[]>;
  /**
   * Set when finding out the components means reading files, which is done once when it is done for the layer first. `from` names what they are read
   * from: steps of one outline that read from the same are one. `place` are the components that nothing is read for.
   */
  readonly unread?: { readonly from: string; readonly place: readonly KeyComponent[] };
  /** What it is laid on; `undefined` when the result doesn't depend on that (`--link`). */
  readonly parent: LayerStack | undefined;
  produce(): Promise<ProducedChanges | ProducedTar>;
  /** Called with what was made, once the step's key is known too. */
  made?(made: StoredLayer): Promise<void>;
  /** Called once it is not in the cache: begins what takes a while and does no harm if another build has made the layer meanwhile. */
  begin?(): void;
}

/** Gives a step's layer: one that is being made, one from the cache, or a new one. */
export async function layerOf(scope: StepScope, step: LayerStep): Promise<LayerOutcome> {
  const outline = createCacheKey([{ name: "kind", value: step.vertex.kind }, ...step.outline]);
  if (step.unread !== undefined && (await isSurelyNew(scope, placeKey(step, step.unread.place)))) {
    const name = createCacheKey([...outline.components, parentOf(step), { name: "unread", value: step.unread.from }]);
    return once(scope, name, async () => (await make(scope, step, outline)).outcome);
  }
  const key = await keyOf(step);
  return once(scope, key, () => lookupOrMake(scope, step, { key, outline }));
}

/** The part of a step's key that is known before anything is read. */
function placeKey(step: LayerStep, place: readonly KeyComponent[]): CacheKey {
  return createCacheKey([{ name: "kind", value: step.vertex.kind }, { name: "place", value: "" }, ...place]);
}

/** Whether no step was ever recorded whose key has this part: then the key can't be found, and what the step reads need not be read for it first. */
async function isSurelyNew({ execution, io }: StepScope, place: CacheKey): Promise<boolean> {
  // steps of several platforms are one by their keys, and another cache may know what this one doesn't
  if ((execution.options.platforms?.length ?? 0) > 1 || execution.options.cacheRepository !== undefined) return false;
  return (await execution.latest.lookup(place, io)) === undefined;
}

async function once({ execution }: StepScope, key: CacheKey, start: () => Promise<LayerOutcome>): Promise<LayerOutcome> {
  const running = execution.running.get(key.digest);
  if (running !== undefined) return running;
  const work = start();
  execution.running.set(key.digest, work);
  // tried again, it may have the same key
  work.catch(() => execution.running.delete(key.digest));
  return work;
}

function parentOf(step: LayerStep): KeyComponent {
  return { name: "parent", value: step.parent === undefined ? "any" : (step.parent.chainID ?? "scratch") };
}

async function keyOf(step: LayerStep): Promise<CacheKey> {
  const kind = { name: "kind", value: step.vertex.kind };
  return createCacheKey([{ name: "semantics", value: SEMANTICS }, kind, parentOf(step), ...(await step.components())]);
}

async function lookupOrMake(
  scope: StepScope,
  step: LayerStep,
  { key, outline }: { readonly key: CacheKey; readonly outline: CacheKey },
): Promise<LayerOutcome> {
  const { execution } = scope;
  if (execution.options.noCache === true) return (await make(scope, step, outline)).outcome;
  const found = await lookup(execution, key);
  if (found !== undefined) return found;
  step.begin?.();
  // what takes long is made by one of several builds; placing files again costs less than asking
  const lock = step.vertex.kind === "run" ? await lockStep(scope, key) : undefined;
  try {
    const meanwhile = lock === undefined ? undefined : await lookup(execution, key);
    if (meanwhile !== undefined) {
      await lock?.[Symbol.asyncDispose]();
      return meanwhile;
    }
    const { outcome, recorded } = await make(scope, step, outline);
    if (lock !== undefined) execution.background.push(releaseAfter(recorded, lock));
    return outcome;
  } catch (error) {
    await lock?.[Symbol.asyncDispose]();
    throw error;
  }
}

async function releaseAfter(recorded: Promise<void>, lock: Lock): Promise<void> {
  // whether it failed is told by the record's own promise
  await recorded.catch(() => {});
  await lock[Symbol.asyncDispose]();
}

/** Makes a step's layer; `recorded` settles when the layer is stored and other builds can find it. */
async function make(scope: StepScope, step: LayerStep, outline: CacheKey): Promise<{ readonly outcome: LayerOutcome; readonly recorded: Promise<void> }> {
  const { execution, io } = scope;
  const produced = await step.produce();
  try {
    const before = await execution.latest.lookup(outline, io);
    const previous = before === undefined ? [] : [before.diffID];
    const { isAwaited, onGrowing } = scope;
    const options = { ...io, codec: execution.codec, previous, isAwaited, onGrowing };
    const made =
      "tar" in produced
        ? await storeLayer(execution.store, produced.tar, options)
        : await createLayer(execution.store, withParents(produced.base, produced.changes), produced.reader, options);
    if ("keep" in produced) await produced.keep?.(made.diffID);
    const created = rfc3339(execution.options.sourceDateEpoch === undefined ? Date.now() : execution.now);
    // what the layer was made of is known by now, and must be told of before it goes
    const key = await keyOf(step);
    await step.made?.(made);
    const recorded = record(execution, step, { key, outline }, made, created);
    // awaited at the end; until then a failure has somebody who will see it
    recorded.catch(() => {});
    execution.background.push(recorded);
    const layer = storedLayer(execution.store, made.diffID, made.blob, { index: made.index, encoding: execution.codec.encoding });
    return { outcome: { layer, created, cached: false }, recorded };
  } finally {
    await produced[Symbol.asyncDispose]();
  }
}

/** A record counts only while its blob and index are there. */
async function lookup(execution: Execution, key: CacheKey): Promise<LayerOutcome | undefined> {
  const io = { signal: execution.signal };
  const found = await execution.cache.lookup(key, io);
  if (found?.blob === undefined) return undefined;
  const [blob, index] = await Promise.all([execution.store.has(found.blob, io), execution.store.hasLayerIndex(found.diffID, io)]);
  if (!blob || !index) return undefined;
  const { sourceDateEpoch } = execution.options;
  const created = sourceDateEpoch === undefined ? found.created : rfc3339(execution.now);
  return { layer: storedLayer(execution.store, found.diffID, Promise.resolve(found.blob)), created, cached: true };
}

async function record(
  execution: Execution,
  step: LayerStep,
  keys: { readonly key: CacheKey; readonly outline: CacheKey },
  made: StoredLayer,
  created: string,
): Promise<void> {
  const blob = await made.blob;
  const io = { signal: execution.signal };
  const common = { version: 1, title: step.vertex.title, diffID: made.diffID, blob, created } as const;
  await execution.cache.record({ ...common, key: keys.key.digest, components: keys.key.components }, io);
  const place = step.unread === undefined ? undefined : placeKey(step, step.unread.place);
  for (const latest of place === undefined ? [keys.outline] : [keys.outline, place]) {
    await execution.latest.record({ ...common, key: latest.digest, components: latest.components }, io);
  }
}
