import { type Dockerfile, parseDockerfile } from "@varve/dockerfile";
import { VarveError } from "@varve/errors";
import type { IOOptions, Platform } from "@varve/oci";
import { type Plan, planBuild, type PlanOptions, refuseWarnings, type RequiredBase, requiredBases, type ResolvedBase } from "@varve/plan";
import type { BaseImages } from "./base/base-images.ts";
import { ignoresOf } from "./check/ignored-paths.ts";
import type { BuildOptions } from "./build-options.ts";
import type { Definition } from "./definition.ts";
import type { EventSink } from "./events.ts";
import { planOptionsOf } from "./settings.ts";
import { atSource } from "./source-error.ts";

/** A Dockerfile and its plan for each platform, in the order asked for. */
export interface Planned {
  readonly dockerfile: Dockerfile;
  readonly plans: readonly Plan[];
}

/** What planning asks and tells. */
export interface PlanningScope {
  readonly images: BaseImages;
  readonly events: EventSink;
  readonly io: IOOptions;
}

/** Parses the Dockerfile, resolves the configs of its bases and plans it. Nothing but manifests and configs is read. */
export async function planAll(
  definition: Definition,
  options: BuildOptions,
  platforms: readonly (Platform | undefined)[],
  scope: PlanningScope,
): Promise<Planned> {
  const dockerfile = parseDockerfile(definition.text, { file: definition.file });
  const ignores = await ignoresOf(definition, options);
  const plans = await Promise.all(
    platforms.map((platform) => planOne(dockerfile, { ...planOptionsOf(options, platform), ...ignores, withPlatform: platforms.length > 1 }, scope)),
  );
  const warnings = plans.flatMap((plan) => plan.warnings);
  const seen = new Set<string>();
  for (const warning of warnings) {
    const key = JSON.stringify(warning);
    if (!seen.has(key)) scope.events.warning(warning.rule, warning.message, warning.range);
    seen.add(key);
  }
  refuseWarnings(dockerfile, { buildArgs: options.buildArgs ?? {} }, warnings);
  for (const plan of plans) requireAllowed(dockerfile, plan, options);
  return { dockerfile, plans };
}

/** As BuildKit: what reaches beyond the usual needs the consent of whoever builds, cached or not. */
function requireAllowed(dockerfile: Dockerfile, plan: Plan, { allow = [] }: BuildOptions): void {
  const insecure = plan.vertices.find((vertex) => vertex.kind === "run" && vertex.security === "insecure");
  if (insecure === undefined || allow.includes("security.insecure")) return;
  const error = new VarveError("BUILD_NOT_ALLOWED", "security.insecure is not allowed", {
    hint: "the step asks for all capabilities; if you trust the Dockerfile, add --allow security.insecure",
  });
  throw atSource(error, dockerfile, insecure.range);
}

async function planOne(dockerfile: Dockerfile, planOptions: PlanOptions, scope: PlanningScope): Promise<Plan> {
  return planBuild(dockerfile, planOptions, await resolveBases(dockerfile, planOptions, scope));
}

/** The configs of all bases a plan needs. */
export async function resolveBases(dockerfile: Dockerfile, planOptions: PlanOptions, scope: PlanningScope): Promise<Readonly<Record<string, ResolvedBase>>> {
  const bases: Record<string, ResolvedBase> = {};
  // a base's ONBUILD triggers may start from images of their own
  for (let missing = requiredBases(dockerfile, planOptions, bases); missing.length > 0;) {
    await Promise.all(missing.map(async (base) => (bases[base.key] = await resolveBase(dockerfile, base, scope))));
    missing = requiredBases(dockerfile, planOptions, bases).filter((base) => bases[base.key] === undefined);
  }
  return bases;
}

async function resolveBase(dockerfile: Dockerfile, { key, reference, platform, range }: RequiredBase, scope: PlanningScope): Promise<ResolvedBase> {
  const events = scope.events.step(`metadata ${key}`, `[internal] load metadata for ${reference}`);
  try {
    const { image } = await scope.images.resolve(reference, platform, scope.io);
    events.done();
    return { config: image.config, digest: image.descriptor.digest };
  } catch (error) {
    events.failed(error);
    throw atSource(error, dockerfile, range);
  }
}
