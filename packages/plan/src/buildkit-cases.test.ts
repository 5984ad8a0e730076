import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseDockerfile } from "@varve/dockerfile";
import { isVarveError } from "@varve/errors";
import type { ImageConfig, Platform } from "@varve/oci";
import { describe, expect, it } from "vitest";
import { planBuild, type PlanOptions, requiredBases, type ResolvedBase } from "./index.ts";

/** What BuildKit made of small Dockerfiles; beside the checkout where there is one. */
const CASES = join(dirname(fileURLToPath(import.meta.url)), "../../../../shared/buildkit-cases");
const AMD64: Platform = { os: "linux", architecture: "amd64" };
const BASE: ImageConfig = {
  architecture: "amd64",
  os: "linux",
  config: { Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], Cmd: ["sh"] },
  rootfs: { type: "layers", diff_ids: [] },
};
/** Cases that a plan can't refuse: they need the files, a process, or the command line. */
const LATER = new Set([
  "cli/unknown-flag",
  "copy/backslash-space-not-an-escape",
  "errors/add-ftp",
  "mount/ssh-required-missing",
  "run/failing-command",
  "run/user-missing",
]);

interface Outcome {
  readonly outcome: "built" | "refused";
  readonly config?: object;
  readonly history?: readonly object[];
}

function cases(): readonly string[] {
  if (!existsSync(CASES)) return [];
  return readdirSync(CASES).flatMap((group) =>
    statSync(join(CASES, group)).isDirectory() ? readdirSync(join(CASES, group)).map((name) => `${group}/${name}`) : [],
  );
}

function optionsOf(folder: string): PlanOptions {
  const file = join(folder, "args");
  const given = existsSync(file)
    ? readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line !== "")
    : [];
  const args = given.flatMap((arg) => (/^--[a-z-]+=/.test(arg) ? [arg.slice(0, arg.indexOf("=")), arg.slice(arg.indexOf("=") + 1)] : [arg]));
  const values = (flag: string): readonly string[] => args.flatMap((arg, at) => (arg === flag ? (args[at + 1] ?? "") : []));
  const pairs = (flag: string): Record<string, string> =>
    Object.fromEntries(values(flag).map((value) => [value.slice(0, value.indexOf("=")), value.slice(value.indexOf("=") + 1)]));
  const target = values("--target")[0];
  return {
    buildArgs: pairs("--build-arg"),
    buildPlatform: AMD64,
    labels: pairs("--label"),
    namedContexts: pairs("--build-context"),
    network: "default",
    ...(target === undefined ? {} : { target }),
  };
}

function dockerfileText(folder: string): string {
  const text = readFileSync(join(folder, "Dockerfile"), "utf8").replaceAll("@BB@", "example/busybox:1");
  return folder.endsWith("crlf-line-ends") ? text.replaceAll(/\r?\n/g, "\r\n") : text;
}

function plan(folder: string): ReturnType<typeof planBuild> {
  const dockerfile = parseDockerfile(dockerfileText(folder));
  const options = optionsOf(folder);
  const bases: Record<string, ResolvedBase> = Object.fromEntries(
    requiredBases(dockerfile, options).map(({ key }) => [key, { config: BASE, digest: `sha256:${"0".repeat(64)}` }]),
  );
  return planBuild(dockerfile, options, bases);
}

describe("BuildKit's cases (../shared/buildkit-cases)", () => {
  if (cases().length === 0) it.skip("the folder is not beside the checkout");
  for (const name of cases()) {
    const folder = join(CASES, name);
    const expected = JSON.parse(readFileSync(join(folder, "buildkit.json"), "utf8")) as Outcome;
    if (LATER.has(name)) {
      it(`${name} is planned; what refuses it comes later`, () => {
        expect(plan(folder).config).toBeDefined();
      });
      continue;
    }
    if (expected.outcome === "refused") {
      it(`${name} is refused`, () => {
        try {
          plan(folder);
        } catch (error) {
          expect(isVarveError(error), String(error)).toBe(true);
          return;
        }
        expect.unreachable("it should have been refused");
      });
      continue;
    }
    it(`${name} gives the same config and history`, () => {
      const made = plan(folder);
      expect(made.config.config).toEqual(expected.config);
      expect(made.history.map(({ entry }) => entry)).toEqual(expected.history ?? []);
      expect(JSON.parse(JSON.stringify(made))).toEqual(made);
    });
  }
});
