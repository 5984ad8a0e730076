import { release } from "node:os";
import { join } from "node:path";
import { parseDockerfile } from "@varve/dockerfile";
import { VarveError } from "@varve/errors";
import type { IOOptions } from "@varve/oci";
import { examineRungs, type RungReport } from "@varve/snapshot";
import { openStore } from "@varve/store";
import { openDefinition } from "../definition.ts";
import { type RungChoice, runnerDirectories } from "../run/start-runner.ts";
import { type PredictedRun, predictRuns } from "./predict-runs.ts";

/** What is examined. */
export interface DoctorOptions extends IOOptions, RungChoice {
  /** The store's folder, which snapshots would lie in. */
  readonly home: string;
  /** A context, or a Dockerfile, whose steps are predicted. */
  readonly context?: string;
  readonly file?: string;
}

/** Where RUN works here, and why not elsewhere. JSON as it is. */
export interface Diagnosis {
  readonly host: { readonly kernel: string; readonly architecture: string; readonly node: string; readonly uid: number };
  /** Strongest first. */
  readonly rungs: readonly RungReport[];
  /** The rung that would be taken. */
  readonly chosen?: string;
  readonly dockerfile?: { readonly file: string; readonly steps: readonly PredictedRun[] };
}

/** Tries every rung and says which one a build would take, and what a Dockerfile's steps would meet there. Fetches nothing and runs nothing of an image. */
export async function diagnose(options: DoctorOptions): Promise<Diagnosis> {
  const io = options.signal === undefined ? {} : { signal: options.signal };
  await using store = await openStore({ root: options.home, ...io });
  const { snapshots, cacheMounts } = await runnerDirectories(store);
  const rungs = await examineRungs({ directory: snapshots, cacheMounts }, io);
  const chosen = choose(rungs, options);
  const { context, file } = options;
  return {
    host: { kernel: release(), architecture: process.arch, node: process.version, uid: process.geteuid?.() ?? -1 },
    rungs,
    ...(chosen === undefined ? {} : { chosen: chosen.name }),
    ...(context === undefined && file === undefined ? {} : { dockerfile: await predict(options, chosen, io) }),
  };
}

/** The rung a build would take. `none` runs nothing. */
function choose(rungs: readonly RungReport[], { sandbox = "auto", requireIsolation = false }: RungChoice): RungReport | undefined {
  if (sandbox !== "auto" && !rungs.some(({ name }) => name === sandbox)) {
    throw new VarveError("SANDBOX_UNAVAILABLE", `there is no sandbox ${JSON.stringify(sandbox)}`, {
      hint: `one of auto, ${rungs.map(({ name }) => name).join(", ")}`,
    });
  }
  return rungs.find(
    ({ name, works, isolation, passedOver }) =>
      works && name !== "none" && (sandbox === "auto" ? passedOver === undefined : name === sandbox) && (!requireIsolation || isolation === "namespaces"),
  );
}

async function predict(options: DoctorOptions, chosen: RungReport | undefined, io: IOOptions): Promise<NonNullable<Diagnosis["dockerfile"]>> {
  const { home, context = ".", file } = options;
  const folders = { spool: join(home, "spool"), contexts: join(home, "contexts"), store: home };
  const definition = await openDefinition({ context, ...(file === undefined ? {} : { file }) }, folders, io);
  await using _context = definition.context;
  return { file: definition.file, steps: predictRuns(parseDockerfile(definition.text, { file: definition.file }), chosen) };
}
