import { mkdirSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { build } from "@varve/build";
import { isVarveError } from "@varve/errors";
import { type Image, openImage } from "@varve/image";
import { describeWithTools } from "@varve/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createWorkspace, type Workspace } from "../../e2e/varve.ts";
import { createDockerBench, type DockerBench, missingForDocker } from "../docker-daemon.ts";
import { describeForDocker } from "../docker-outcome.ts";
import { DEBIAN_SUITE } from "./debian-suite.ts";
import type { RungCase } from "./rung-cases.mjs";
import type { RungSuite } from "./rung-suite.ts";
import { type SshAgent, startAgent } from "./ssh-agent.mjs";
import { SMALL_SUITE, WIDE_SUITE } from "./small-suite.ts";

// Debian's BuildKit is 0.8; what differs for its age is named here, anything else is a fault.

const missing = missingForDocker();
const SECRET = "s3cr3t-value";

/** What its Dockerfile language did not know yet (heredocs: 1.4, secrets as variables: 1.10), and the same in other words; the history differs then. */
const REWORDED: ReadonlyMap<string, readonly (readonly [RegExp, string])[]> = new Map([
  [
    "shells and heredocs",
    [
      [/RUN <<EOF\nset -e\n(.*?)\nEOF/s, 'RUN set -e; echo "a $0" > /a; false || echo b > /b'],
      [/RUN <<EOF cat > \/c\n.*?\nEOF/s, "RUN echo from a heredoc > /c"],
      [/RUN <<EOF\n#!.*?\nEOF/s, "RUN echo script > /d"],
    ],
  ],
  ["secrets", [[/^RUN --mount=type=secret,id=token,env=.*\n/m, ""]]],
  ["secrets of package managers", [[/ --mount=type=secret,id=token,env=TOKEN/, " TOKEN=s3cr3t-value;"]]],
]);

/** It left the places of mounts behind, which BuildKit removes since 0.9; what listed them, or lists what is now there. */
const STUBS: ReadonlyMap<string, RegExp> = new Map([
  ["services, sudo, languages and attributes", /\/(run|root\/\.ssh|run\/buildkit.*)( |$)/],
  ["a cache mount", /\/(cache|stub)( |$)/],
  ["binds", /\/(ctx|mnt|mnt\/o|mnt\.list)( |$)/],
  ["npm ci", /\/certificates( |$)/],
  ["secrets", /\/(run|run\/secrets|run\/secrets\/token|srv\/t|run\.list)( |$)/],
]);

describe.skipIf(missing.length > 0)(`Dockerfiles of the rungs and BuildKit${missing.length > 0 ? ` (needs ${missing.join(", ")})` : ""}`, () => {
  describeSuite("on busybox", SMALL_SUITE, "bb");
  describeSuite("whole trees", WIDE_SUITE, "bb");
  describeWithTools(["mmdebstrap"], "on Debian", () => describeSuite("packages", DEBIAN_SUITE, "debian"));
});

function describeSuite(title: string, suite: RungSuite, base: string): void {
  describe(title, () => {
    let bench: DockerBench;
    let space: Workspace;
    let image: Image;
    let home: string;
    let agent: SshAgent | undefined;
    beforeAll(async () => {
      space = await createWorkspace();
      await suite.makeContexts(space);
      bench = await createDockerBench();
      home = join(bench.root, "store");
      if (suite.name === "DEBIAN") agent = startAgent(space.root);
      process.env["TOKEN_OF_RUNGS"] = SECRET;
      writeFileSync(join(space.root, "token"), SECRET);
      for (const name of await readdir(join(space.root, "contexts"))) {
        if (name === "given") continue;
        const context = join(space.root, "contexts", name);
        const { descriptor } = await build({ context, home, tags: [name], ...(name === base ? {} : { dockerfile: "FROM scratch\nCOPY . /\n" }) });
        await bench.lend(descriptor, name);
        if (name === base) image = await openImage(bench.store, descriptor);
      }
    }, 600_000);
    afterAll(async () => {
      agent?.end();
      await bench?.[Symbol.asyncDispose]();
      await space?.[Symbol.asyncDispose]();
    });

    const lines = async (built: Image): Promise<readonly string[]> => {
      const now = Date.now() / 1000 - 86_400;
      return describeForDocker(bench.store, built, { base: image, isTimed: (mtime) => mtime < now });
    };

    test.each(suite.cases.filter(isKnown))("$name", { timeout: 600_000 }, async ({ name, dockerfile, fails }: RungCase) => {
      const folder = join(space.root, name.replaceAll(/\W/g, "-"));
      mkdirSync(folder);
      const [context, file] = [join(space.root, "contexts/given"), join(folder, "Dockerfile")];
      const reworded = (REWORDED.get(name) ?? []).reduce((text, [pattern, words]) => text.replace(pattern, words), dockerfile);
      writeFileSync(file, reworded);
      const options = ["--secret", `id=token,src=${join(space.root, "token")}`, ...(agent === undefined ? [] : ["--ssh", `default=${agent.socket}`])];
      const theirs = await bench.docker.build(bench.store, { dockerfile: file, context, options });
      writeFileSync(file, dockerfile);
      const ours = await buildOurs(context, file);
      if (fails !== undefined) {
        for (const message of [ours, theirs]) expect(typeof message === "string" ? message.replace("exit code: ", "exit code ") : "built").toContain(fails);
        return;
      }
      if (typeof ours === "string") throw new Error(`not built: ${ours}`);
      if (typeof theirs !== "object") throw new Error(`not built by BuildKit: ${theirs ?? "no layers"}`);
      const [found, wanted] = [await lines(ours), await lines(theirs)];
      const differences = [
        ...found.filter((line) => !wanted.includes(line)).map((line) => `varve: ${line}`),
        ...wanted.filter((line) => !found.includes(line)).map((line) => `BuildKit: ${line}`),
      ];
      expect(differences.filter((line) => !isForAge(suite, name, line))).toEqual([]);
    });

    const buildOurs = async (context: string, file: string): Promise<Image | string> => {
      try {
        const { descriptor } = await build({
          context,
          file,
          home,
          noCache: true,
          ssh: agent === undefined ? [] : [{ id: "default", socket: agent.socket }],
          secrets: [{ id: "token", env: "TOKEN_OF_RUNGS" }],
        });
        return await openImage(bench.store, descriptor);
      } catch (error) {
        if (!isVarveError(error)) throw error;
        return error.message;
      }
    };
  });
}

/** Whether it has the words for a case: whole scripts in heredocs are not worded anew. */
function isKnown({ name, dockerfile }: RungCase): boolean {
  return REWORDED.has(name) || !/<<\w/.test(dockerfile);
}

/** Whether a difference is of the moment, one of {@link STUBS}, {@link REWORDED}, or of directories that BuildKit gave the time of the build for what it mounts or makes there. */
function isForAge(suite: RungSuite, name: string, line: string): boolean {
  const path = / \/(\S+)/.exec(line)?.[1] ?? "";
  if (suite.apart(path, false)) return true;
  return line.startsWith("varve: time of directory ") || STUBS.get(name)?.test(line) === true || (REWORDED.has(name) && /: (layer|empty) /.test(line));
}
