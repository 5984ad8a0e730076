import { parseDockerfile } from "@varve/dockerfile";
import { isVarveError, type VarveError } from "@varve/errors";
import type { ImageConfig, Platform, RuntimeConfig } from "@varve/oci";
import { type Plan, planBuild, type PlanOptions, requiredBases, type ResolvedBase, type RunVertex, type TransferVertex, type Vertex } from "./index.ts";

/** What tests are built on and for. */
export const AMD64: Platform = { os: "linux", architecture: "amd64" };
/** The default PATH, as in Env. */
export const PATH: string = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What a test gives beside the text. */
export interface Given extends Partial<PlanOptions> {
  /** Runtime configs by the base's name as in FROM; `base` for any other. */
  readonly configs?: Readonly<Record<string, Partial<ImageConfig> & { readonly config?: RuntimeConfig }>>;
}

function resolved(reference: string, given: Given): ResolvedBase {
  const found = Object.entries(given.configs ?? {}).find(([name]) => reference.endsWith(`/${name}:latest`))?.[1];
  return {
    digest: `sha256:${"ab".repeat(32)}`,
    config: { os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [] }, config: { Env: [PATH] }, ...found },
  };
}

/** Plans a text, with a plausible config for every base. */
export function plan(text: string, given: Given = {}): Plan {
  const dockerfile = parseDockerfile(text);
  const options: PlanOptions = { buildArgs: {}, buildPlatform: AMD64, labels: {}, namedContexts: {}, network: "default", ...given };
  let bases: Record<string, ResolvedBase> = {};
  for (;;) {
    const required = requiredBases(dockerfile, options, bases);
    if (required.every(({ key }) => key in bases)) return planBuild(dockerfile, options, bases);
    bases = Object.fromEntries(required.map(({ key, reference }) => [key, resolved(reference, given)]));
  }
}

/** The error a text is refused with. */
export function refusal(text: string, given: Given = {}): VarveError {
  try {
    plan(text, given);
  } catch (error) {
    if (isVarveError(error)) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

/** `created_by` of each line of history. */
export const lines = (made: Plan): readonly string[] => made.history.map(({ entry }) => entry.created_by ?? "");
/** The title of each vertex. */
export const titles = (made: Plan): readonly string[] => made.vertices.map(({ title }) => title);
/** The RUN vertices. */
export const runs = (made: Plan): readonly RunVertex[] => made.vertices.filter((vertex): vertex is RunVertex => vertex.kind === "run");
/** The COPY and ADD vertices. */
export const transfers = (made: Plan): readonly TransferVertex[] =>
  made.vertices.filter((vertex): vertex is TransferVertex => vertex.kind === "copy" || vertex.kind === "add");
/** A vertex by its id. */
export const vertex = (made: Plan, id: string | undefined): Vertex | undefined => made.vertices.find((each) => each.id === id);
