import type { Dockerfile } from "@varve/dockerfile";
import { inputsOf, type Plan, type RunVertex, type TransferVertex, type Vertex, type VertexID, type WorkdirVertex } from "@varve/plan";
import { type EventSink } from "./events.ts";
import { createStack, EMPTY_STACK, type LayerStack } from "./layer-stack.ts";
import { atSource } from "./source-error.ts";
import { type Execution, type LayerOutcome, registerStack, type StepScope, type VertexResult } from "./step/execution.ts";
import { layerOf, type LayerStep } from "./step/layer-step.ts";
import { runStep } from "./step/run-step.ts";
import { transferStep } from "./step/transfer-step.ts";
import { workdirStep } from "./step/workdir-step.ts";

/** What carrying out one plan gave. */
export interface ExecutedPlan {
  readonly plan: Plan;
  readonly results: ReadonlyMap<VertexID, VertexResult>;
}

/** Where a plan's vertices are told about. */
export interface PlanScope {
  readonly execution: Execution;
  readonly dockerfile: Dockerfile;
  readonly events: EventSink;
  /** Before ids when there are several platforms; titles have it already. */
  readonly prefix: string;
  /** Called with the first failure, so that the rest stops. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Carries out a plan: every vertex starts as soon as its inputs are there. Rejects with the first failure, with the Dockerfile's
 * excerpt, once nothing of it runs any more.
 */
export async function executePlan(scope: PlanScope, plan: Plan): Promise<ExecutedPlan> {
  const running = new Map<VertexID, Promise<VertexResult>>();
  const awaited = new Set(plan.vertices.flatMap(inputsOf));
  for (const vertex of plan.vertices) {
    const isUploaded = plan.layers.includes(vertex.id);
    const result = startVertex(scope, vertex, { running, isAwaited: awaited.has(vertex.id), isUploaded });
    result.catch(scope.onFailure);
    if (isUploaded) uploadEarly(scope.execution, result);
    running.set(vertex.id, result);
  }
  await Promise.allSettled(running.values());
  const results = new Map<VertexID, VertexResult>();
  for (const [id, result] of running) results.set(id, await result);
  return { plan, results };
}

/** Of stages that are only copied from nothing is uploaded. */
function uploadEarly({ uploads }: Execution, result: Promise<VertexResult>): void {
  const begin = async (): Promise<void> => {
    const made = await result;
    const blob = made.kind === "stack" ? await made.stack.layers.at(-1)?.blob() : undefined;
    if (blob !== undefined) uploads.begin(blob, made.kind === "stack" && made.cached === true);
  };
  // a failure is the step's own, and told there
  begin().catch(() => {});
}

async function startVertex(
  scope: PlanScope,
  vertex: Vertex,
  {
    running,
    isAwaited,
    isUploaded,
  }: { readonly running: ReadonlyMap<VertexID, Promise<VertexResult>>; readonly isAwaited: boolean; readonly isUploaded: boolean },
): Promise<VertexResult> {
  const ids = inputsOf(vertex);
  // inputs come before their users in a plan
  const inputs = new Map(await Promise.all(ids.map(async (id) => [id, await required(running, id)] as const)));
  const { execution } = scope;
  execution.signal.throwIfAborted();
  if (vertex.kind === "scratch") return { kind: "stack", stack: EMPTY_STACK };
  if (vertex.kind === "context") return { kind: "context", context: await execution.context(vertex.name) };
  const events = scope.events.step(`${scope.prefix}${vertex.id}`, vertex.title);
  try {
    const { dockerfile } = scope;
    const growing: Pick<StepScope, "onGrowing"> = isUploaded ? { onGrowing: (layer) => execution.uploads.follow(layer) } : {};
    const result = await carryOut({ execution, events, io: { signal: execution.signal }, isAwaited, dockerfile, ...growing }, vertex, inputs);
    if (result.kind === "stack" && result.cached === true) events.cached();
    else events.done();
    return result;
  } catch (error) {
    const placed = atSource(error, scope.dockerfile, vertex.range);
    // what a stopped step says of itself is not why it stopped
    if (execution.signal.aborted) events.cancelled();
    else events.failed(placed);
    throw placed;
  }
}

async function carryOut(
  scope: StepScope,
  vertex: Exclude<Vertex, { kind: "scratch" | "context" }>,
  inputs: ReadonlyMap<VertexID, VertexResult>,
): Promise<VertexResult> {
  const { execution } = scope;
  if (vertex.kind === "image") {
    const base = await execution.images.resolve(vertex.reference, vertex.platform, scope.io);
    return { kind: "stack", stack: registerStack(execution, base.stack) };
  }
  const parent = stackOf(inputs, vertex.parent);
  const { layer, created, cached } = await settledLayer(scope, vertex, parent, inputs);
  return { kind: "stack", stack: registerStack(execution, createStack([...parent.layers, layer])), created, cached };
}

/** A step's layer; when a file of the context was not as listed any more, the step is tried again with the file as it is then. */
async function settledLayer(scope: StepScope, vertex: StepVertex, parent: LayerStack, inputs: ReadonlyMap<VertexID, VertexResult>): Promise<LayerOutcome> {
  for (;;) {
    try {
      const step = await prepare(scope, vertex, parent, inputs);
      try {
        return await layerOf(scope, step);
      } finally {
        await step[Symbol.asyncDispose]?.();
      }
    } catch (error) {
      const contexts = [...inputs.values()].flatMap((input) => (input.kind === "context" ? [input.context] : []));
      const settled = await Promise.all(contexts.map(async (context) => context.settle?.(error, scope.io)));
      if (!settled.includes(true)) throw error;
    }
  }
}

type StepVertex = TransferVertex | WorkdirVertex | RunVertex;

function prepare(
  scope: StepScope,
  vertex: StepVertex,
  parent: LayerStack,
  inputs: ReadonlyMap<VertexID, VertexResult>,
): Promise<LayerStep & Partial<AsyncDisposable>> {
  switch (vertex.kind) {
    case "copy":
    case "add":
      return transferStep(scope, vertex, parent, required(inputs, vertex.from));
    case "workdir":
      return Promise.resolve(workdirStep(scope, vertex, parent));
    case "run":
      return runStep(scope, vertex, parent, inputs);
  }
}

function stackOf(results: ReadonlyMap<VertexID, VertexResult>, id: VertexID): LayerStack {
  const result = required(results, id);
  if (result.kind !== "stack") throw new TypeError(`vertex ${id} is a context, not layers`);
  return result.stack;
}

function required<T>(map: ReadonlyMap<VertexID, T>, id: VertexID): T {
  const found = map.get(id);
  if (found === undefined) throw new TypeError(`the plan uses ${id} before it is made`);
  return found;
}
