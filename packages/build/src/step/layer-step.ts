import { createCacheKey, type CacheKey, type KeyComponent } from "@varve/cache";
import { createLayer, type StoredLayer } from "@varve/image";
import { type ChangeSet, type ContentReader, type FileTree, withParents } from "@varve/layer";
import type { DiffID } from "@varve/oci";
import type { Vertex } from "@varve/plan";
import type { Lock } from "@varve/store";
import { type LayerStack, storedLayer } from "../layer-stack.ts";
import { rfc3339 } from "../rfc3339.ts";
import { lockStep } from "./step-lock.ts";
import type { Execution, LayerOutcome, StepScope } from "./execution.ts";

/** Changes when equal components would give another layer than before, so that records of older versions are not used. */
const SEMANTICS = "2";

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

/** A step that adds a layer. */
export interface LayerStep {
  readonly vertex: Vertex;
  /** What it is whatever it reads: the same for the step as it was before a change and after. */
  readonly outline: readonly KeyComponent[];
  /** All that its result depends on, but for the parent. */
  readonly components: readonly KeyComponent[];
  /** What it is laid on; `undefined` when the result doesn't depend on that (`--link`). */
  readonly parent: LayerStack | undefined;
  produce(): Promise<ProducedChanges>;
}

/** Gives a step's layer: one that is being made, one from the cache, or a new one. */
export async function layerOf(scope: StepScope, step: LayerStep): Promise<LayerOutcome> {
  const { execution } = scope;
  const parent = { name: "parent", value: step.parent === undefined ? "any" : (step.parent.chainID ?? "scratch") };
  const key = createCacheKey([{ name: "semantics", value: SEMANTICS }, { name: "kind", value: step.vertex.kind }, parent, ...step.components]);
  const running = execution.running.get(key.digest);
  if (running !== undefined) return running;
  const work = lookupOrMake(scope, step, key);
  execution.running.set(key.digest, work);
  // tried again, it may have the same key
  work.catch(() => execution.running.delete(key.digest));
  return work;
}

async function lookupOrMake(scope: StepScope, step: LayerStep, key: CacheKey): Promise<LayerOutcome> {
  const { execution } = scope;
  if (execution.options.noCache === true) return (await make(scope, step, key)).outcome;
  const found = await lookup(execution, key);
  if (found !== undefined) return found;
  // what takes long is made by one of several builds; placing files again costs less than asking
  const lock = step.vertex.kind === "run" ? await lockStep(scope, key) : undefined;
  try {
    const meanwhile = lock === undefined ? undefined : await lookup(execution, key);
    if (meanwhile !== undefined) {
      await lock?.[Symbol.asyncDispose]();
      return meanwhile;
    }
    const { outcome, recorded } = await make(scope, step, key);
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
async function make(scope: StepScope, step: LayerStep, key: CacheKey): Promise<{ readonly outcome: LayerOutcome; readonly recorded: Promise<void> }> {
  const { execution, io } = scope;
  const produced = await step.produce();
  try {
    const changes = withParents(produced.base, produced.changes);
    const outline = createCacheKey([{ name: "kind", value: step.vertex.kind }, ...step.outline]);
    const before = await execution.latest.lookup(outline, io);
    const previous = before === undefined ? [] : [before.diffID];
    const made = await createLayer(execution.store, changes, produced.reader, { ...io, codec: execution.codec, previous });
    await produced.keep?.(made.diffID);
    const created = rfc3339(execution.options.sourceDateEpoch === undefined ? Date.now() : execution.now);
    const recorded = record(execution, step, { key, outline }, made, created);
    // awaited at the end; until then a failure has somebody who will see it
    recorded.catch(() => {});
    execution.background.push(recorded);
    return { outcome: { layer: storedLayer(execution.store, made.diffID, made.blob, made.index), created, cached: false }, recorded };
  } finally {
    await produced[Symbol.asyncDispose]();
  }
}

/** A record counts only while its blob and index are there. */
async function lookup(execution: Execution, key: CacheKey): Promise<LayerOutcome | undefined> {
  const io = { signal: execution.signal };
  const found = await execution.cache.lookup(key, io);
  if (found?.blob === undefined) return undefined;
  if (!(await execution.store.has(found.blob, io)) || (await execution.store.readLayerIndex(found.diffID, io)) === undefined) return undefined;
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
  await execution.latest.record({ ...common, key: keys.outline.digest, components: keys.outline.components }, io);
}
