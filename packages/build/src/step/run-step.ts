import { VarveError } from "@varve/errors";
import type { RunVertex, VertexID } from "@varve/plan";
import type { RunOutcome } from "@varve/snapshot";
import { readAccounts, resolveProcessUser } from "../accounts.ts";
import { type LayerStack, stackedLayers } from "../layer-stack.ts";
import { DEFAULT_PATH, runEnvironment } from "../run/environment.ts";
import { prepareMounts, type PreparedMounts } from "../run/mounts.ts";
import { outcomeReader } from "../run/outcome-reader.ts";
import type { StepScope, VertexResult } from "./execution.ts";
import type { LayerStep, ProducedChanges } from "./layer-step.ts";
import { createOutputTail } from "./output-tail.ts";

/** RUN as a step. */
export async function runStep(scope: StepScope, vertex: RunVertex, parent: LayerStack, inputs: ReadonlyMap<VertexID, VertexResult>): Promise<LayerStep> {
  const mounts = await prepareMounts(scope, vertex, inputs);
  const { options } = scope.execution;
  const list = (name: string, value: readonly unknown[]): { name: string; value: string }[] =>
    value.length === 0 ? [] : [{ name, value: JSON.stringify(value) }];
  return {
    vertex,
    parent,
    outline: [{ name: "args", value: JSON.stringify(vertex.args) }],
    components: () =>
      Promise.resolve([
        { name: "args", value: JSON.stringify(vertex.args) },
        { name: "env", value: JSON.stringify(vertex.env) },
        { name: "user", value: vertex.user },
        { name: "workdir", value: vertex.workdir },
        { name: "network", value: vertex.network },
        { name: "security", value: vertex.security },
        ...mounts.components,
        ...list("hosts", options.addHosts ?? []),
        ...list("ulimits", options.ulimits ?? []),
        ...list("host name", (options.buildArgs ?? {})["BUILDKIT_SANDBOX_HOSTNAME"] === undefined ? [] : [scope.execution.builderArgs.hostname]),
        ...list("shm size", options.shmSize === undefined ? [] : [options.shmSize]),
      ]),
    produce: () => produce(scope, vertex, parent, mounts),
    begin: () => startEarly(scope),
  };
}

/** The helper process takes a while to come up, and only what comes after it can fail. */
function startEarly({ execution, io }: StepScope): void {
  const start = async (): Promise<void> => void (await (await execution.runner()).rung(io));
  // a failure is the step's own, which starts it again
  start().catch(() => {});
}

async function produce(scope: StepScope, vertex: RunVertex, parent: LayerStack, mounts: PreparedMounts): Promise<ProducedChanges> {
  const { execution, events } = scope;
  const { options, signal } = execution;
  const [tree, opened, runner] = await Promise.all([execution.trees.tree(parent, scope.io), mounts.open(), execution.runner()]);
  const user = resolveProcessUser(vertex.user, await readAccounts(tree, execution.layerReader, scope.io));
  const tail = createOutputTail();
  const tell = (stream: "stdout" | "stderr", bytes: Uint8Array): void => {
    if (bytes.length === 0) return;
    tail.add(bytes);
    events.output(stream, bytes);
  };
  const printed = { stdout: opened.redactor.stream(), stderr: opened.redactor.stream() };
  const outcome = await runner.run({
    layers: stackedLayers(execution.store, parent.layers),
    tree,
    treeReader: execution.layerReader,
    args: vertex.args,
    env: runEnvironment(vertex.env, { buildArgs: options.buildArgs ?? {}, secrets: opened.env, home: user.home }),
    cwd: vertex.workdir,
    user: { uid: user.uid, gid: user.gid, groups: user.groups },
    network: vertex.network,
    insecure: vertex.security === "insecure",
    hostname: execution.builderArgs.hostname,
    extraHosts: options.addHosts ?? [],
    ...(options.shmSize === undefined ? {} : { shmSize: options.shmSize }),
    ulimits: options.ulimits ?? [],
    mounts: opened.sources,
    onOutput: (stream, chunk) => tell(stream, printed[stream].push(chunk)),
    stdio: "capture",
    signal,
  });
  for (const stream of ["stdout", "stderr"] as const) tell(stream, printed[stream].end());
  const tellLosses = (): void => {
    for (const loss of outcome.losses) {
      // what a sandbox can't do it can't do in any step
      if (!execution.toldLosses.has(loss)) events.note(loss);
      execution.toldLosses.add(loss);
    }
  };
  try {
    // they may be why it failed
    tellLosses();
    if (outcome.exitCode !== 0) throw failure(vertex, outcome, tail.lines());
    const changes = await outcome.changes(scope.io);
    tellLosses();
    return {
      changes,
      reader: outcomeReader(outcome, execution.layerReader),
      base: tree,
      keep: (diffID) => outcome.keep(diffID),
      [Symbol.asyncDispose]: async () => outcome[Symbol.asyncDispose](),
    };
  } catch (error) {
    await outcome[Symbol.asyncDispose]();
    throw error;
  }
}

function failure(vertex: RunVertex, outcome: RunOutcome, lines: readonly string[]): VarveError {
  const how = outcome.signal === undefined ? `ended with exit code ${outcome.exitCode}` : `was ended by ${outcome.signal}`;
  const command = vertex.args.join(" ");
  const shown = command.length > 200 ? `${command.slice(0, 197)}...` : command;
  const notFound = outcome.exitCode === 127 ? `a program was not found; PATH is ${pathOf(vertex)}` : undefined;
  return new VarveError("BUILD_RUN_FAILED", `${shown} ${how}`, { details: lines, hint: notFound });
}

function pathOf(vertex: RunVertex): string {
  return vertex.env.findLast((pair) => pair.startsWith("PATH="))?.slice("PATH=".length) ?? DEFAULT_PATH;
}
