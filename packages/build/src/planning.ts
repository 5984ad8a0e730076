import { type Dockerfile, parseDockerfile } from "@varve/dockerfile";
import type { IOOptions, Platform } from "@varve/oci";
import { type Plan, planBuild, requiredBases, type ResolvedBase } from "@varve/plan";
import type { BaseImages } from "./base/base-images.ts";
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

/** Parses the Dockerfile, resolves the configs of its bases and plans it. Nothing but manifests and configs is read. */
export async function planAll(definition: Definition, options: BuildOptions, platforms: readonly (Platform | undefined)[], scope: { readonly images: BaseImages; readonly events: EventSink; readonly io: IOOptions }): Promise<Planned> {
  const dockerfile = parseDockerfile(definition.text, { file: definition.file });
  const plans = await Promise.all(platforms.map((platform) => planOne(dockerfile, options, platform, scope)));
  const seen = new Set<string>();
  for (const warning of [...dockerfile.warnings, ...plans.flatMap((plan) => plan.warnings)]) {
    const key = JSON.stringify(warning);
    if (!seen.has(key)) scope.events.warning(warning.rule, warning.message, warning.range);
    seen.add(key);
  }
  return { dockerfile, plans };
}

async function planOne(dockerfile: Dockerfile, options: BuildOptions, platform: Platform | undefined, scope: { readonly images: BaseImages; readonly events: EventSink; readonly io: IOOptions }): Promise<Plan> {
  const planOptions = planOptionsOf(options, platform);
  const bases = new Map<string, ResolvedBase>();
  await Promise.all(
    requiredBases(dockerfile, planOptions).map(async ({ key, reference, platform: wanted, range }) => {
      const events = scope.events.step(`metadata ${key}`, `[internal] load metadata for ${reference}`);
      try {
        const { image } = await scope.images.resolve(reference, wanted, scope.io);
        bases.set(key, { config: image.config, digest: image.descriptor.digest });
        events.done();
      } catch (error) {
        events.failed(error);
        throw atSource(error, dockerfile, range);
      }
    }),
  );
  return planBuild(dockerfile, planOptions, Object.fromEntries(bases));
}
