import { parseDockerfile, type Warning } from "@varve/dockerfile";
import { checkBuild, type PlanOptions, requiredBases } from "../index.ts";
import { AMD64, PATH } from "../plan-case.fixture.ts";
import { attempt } from "./attempt.ts";

/** The warnings of a text, with plausible bases; an ignore file that leaves out `ignored`. */
export function check(text: string, given: Partial<PlanOptions> = {}): readonly Warning[] {
  const dockerfile = parseDockerfile(text);
  const options: PlanOptions = {
    buildArgs: {},
    buildPlatform: AMD64,
    labels: {},
    namedContexts: {},
    network: "default",
    allStages: true,
    ignores: (path) => path === "ignored",
    ...given,
  };
  const config = (architecture: string) => ({ os: "linux", architecture, rootfs: { type: "layers" as const, diff_ids: [] }, config: { Env: [PATH] } });
  const bases = Object.fromEntries(
    (attempt(() => requiredBases(dockerfile, options)) ?? []).map(({ key, reference }) => [
      key,
      { digest: `sha256:${"ab".repeat(32)}`, config: config(reference.includes("arm64v8") ? "arm64" : "amd64") },
    ]),
  );
  return checkBuild(dockerfile, options, bases).warnings;
}

/** Warnings as `line rule: message`. */
export const shown = (warnings: readonly Warning[]): readonly string[] => warnings.map(({ rule, message, range }) => `${range.start.line} ${rule}: ${message}`);
