import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeWithTools } from "@varve/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type GitServer, serveGit } from "./git-server.ts";
import { type Served, serveStore } from "./served.ts";
import { createWorkspace, makeBusyboxRoot, runProgram, VARVE, type Workspace } from "./varve.ts";

const PAGE = readFileSync(new URL("../../docs/kaniko.md", import.meta.url), "utf8");
const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
/** Puts a command where little is granted; lies beside the repository, not in it. */
const JAIL = fileURLToPath(new URL("../../../shared/tools/jail.mjs", import.meta.url));
const ORDINARY = 1000;

/** The example below a heading of docs/kaniko.md. */
function example(heading: string): unknown {
  const block = new RegExp(`^## ${heading}.*?^\`\`\`yaml\n(.*?)^\`\`\`$`, "ms").exec(PAGE)?.[1];
  if (block === undefined) throw new Error(`no example below ${heading}`);
  return parse(block);
}

interface Variable {
  readonly name: string;
  readonly value: string;
}
interface GitLab {
  readonly build: { readonly variables: Readonly<Record<string, string>>; readonly script: readonly string[] };
}
interface Job {
  readonly spec: {
    readonly template: { readonly spec: { readonly containers: readonly { readonly args: readonly string[]; readonly env: readonly Variable[] }[] } };
  };
}
interface Step {
  readonly env?: readonly Variable[];
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly script?: string;
}
interface Task {
  readonly spec: { readonly params: readonly { readonly name: string; readonly default?: string }[]; readonly steps: readonly Step[] };
}
interface Workflow {
  readonly jobs: { readonly build: { readonly steps: readonly { readonly run?: string; readonly env?: Readonly<Record<string, string>> }[] } };
}
type Rules = "docker" | "restricted";

describe.skipIf(!existsSync(JAIL))(existsSync(JAIL) ? "docs/kaniko.md" : "docs/kaniko.md (needs ../shared/tools/jail.mjs)", () => {
  describeWithTools(["runc", "proot", "git"], "its examples, word for word but for names of hosts and folders", () => {
    let space: Workspace;
    let server: Served;
    let git: GitServer;
    beforeAll(async () => {
      space = await createWorkspace();
      server = await serveStore(join(space.root, "served"));
      await makeBusyboxRoot(join(space.root, "base/root"));
      await space.files("base", { Dockerfile: "FROM scratch\nCOPY root/ /\n" });
      await space.ok(["build", "-t", `${server.host}/base:1`, "--push", "base"]);
      const source = await space.files("git/team/app.git", sources());
      const commands = ["init -q -b main", "add -A", "-c user.name=x -c user.email=x@example.com commit -qm one"];
      for (const words of commands) execFileSync("git", ["-C", source, ...words.split(" ")]);
      git = await serveGit(join(space.root, "git"), "team/app.git");
      // the program's name in a job's image
      await space.files("bin", { varve: `#!/bin/sh\nexec ${process.execPath} ${VARVE} "$@"\n` });
      chmodSync(join(space.root, "bin/varve"), 0o755);
      execFileSync("chmod", ["-R", "a+rX", space.root]);
    });
    afterAll(async () => {
      git?.stop();
      server?.stop();
      await space?.[Symbol.asyncDispose]();
    });

    const sources = (): Record<string, string> => ({
      Dockerfile: `FROM ${server.host}/base:1\nCOPY file /file\nRUN cp /file /made && mkdir /var/made\n`,
      file: "one\n",
    });

    /** Runs words in a job's folder; gives what they print. */
    async function job(rules: Rules, folder: string, variables: Readonly<Record<string, string>>, words: readonly string[]): Promise<string> {
      if (rules === "restricted") execFileSync("chown", ["-R", `${ORDINARY}:${ORDINARY}`, folder]);
      const env = Object.entries({ HOME: folder, ...variables, PATH: `${space.root}/bin:/usr/bin:/bin` }).flatMap(([name, value]) => [
        "--env",
        `${name}=${value}`,
      ]);
      // /tmp is one of the jail's own
      const visible = [folder, join(space.root, "bin"), REPOSITORY].flatMap((path) => ["--rw", path]);
      const program = ["/usr/bin/env", "-C", folder, ...words];
      const outcome = await runProgram(process.execPath, [JAIL, rules, ...visible, ...env, "--", ...program]);
      expect(outcome.code, outcome.stderr).toBe(0);
      return outcome.stdout;
    }

    async function pushed(name: string): Promise<void> {
      expect((await space.ok(["run", "--rm", `${server.host}/${name}`, "/bin/cat", "/made"])).stdout).toBe("one\n");
    }

    it("GitLab", async () => {
      const { build } = example("GitLab") as GitLab;
      const folder = await space.files("gitlab", { ...sources(), ".dockerignore": ".varve\n.docker\n" });
      const given = {
        CI_PROJECT_DIR: folder,
        CI_REGISTRY: server.host,
        CI_REGISTRY_IMAGE: `${server.host}/gitlab/app`,
        CI_REGISTRY_USER: "user",
        CI_REGISTRY_PASSWORD: "secret",
        CI_COMMIT_SHORT_SHA: "0123abcd",
      };
      const own = Object.fromEntries(Object.entries(build.variables).map(([name, value]) => [name, value.replace("$CI_PROJECT_DIR", folder)]));
      for (const _ of ["first", "from the cache"]) await job("docker", folder, { ...given, ...own }, ["sh", "-ec", build.script.join("\n")]);
      await pushed("gitlab/app:0123abcd");
      await space.ok(["pull", `${server.host}/gitlab/app:0123abcd`]);
    });

    it("Kubernetes", async () => {
      const { spec } = example("Kubernetes") as Job;
      const [{ args, env } = { args: [], env: [] }] = spec.template.spec.containers;
      const folder = await space.files("kubernetes", { "docker/config.json": "{}" });
      const local = (text: string): string =>
        text
          .replace("registry.example.com", server.host)
          .replace("git.example.com", git.host)
          .replace(/^\/(scratch|docker)/, `${folder}/$1`);
      await space.files("kubernetes", { "scratch/": "" });
      const variables = Object.fromEntries(env.map(({ name, value }) => [name, local(value)]));
      // git:// means https there, for which the test has no certificate
      await job(
        "restricted",
        folder,
        { ...variables, GIT_PULL_METHOD: "git" },
        args.map((word) => local(word)),
      );
      await pushed("team/app:1");
    });

    it("Tekton", async () => {
      const { spec } = example("Tekton") as Task;
      const folder = await space.files("tekton", {
        ...Object.fromEntries(Object.entries(sources()).map(([name, text]) => [`source/${name}`, text])),
        "docker/config.json": "{}",
        "results/": "",
      });
      const defaults = Object.fromEntries(spec.params.map(({ name, default: value = "" }) => [`params.${name}`, value]));
      const values: Readonly<Record<string, string>> = {
        ...defaults,
        "params.IMAGE": `${server.host}/tekton/app:1`,
        "workspaces.source.path": `${folder}/source`,
        "results.IMAGE_DIGEST.path": `${folder}/results/digest`,
        "results.IMAGE_URL.path": `${folder}/results/url`,
      };
      const filled = (text: string): string =>
        text.replaceAll(/\$\(([\w.]+)\)/g, (_, name: string) => values[name] ?? `nothing of the name ${name}`).replace(/^\/(docker|tekton)/, `${folder}/$1`);
      for (const { env = [], command = ["sh", "-ec"], args, script } of spec.steps) {
        // an array of none leaves no word
        const words = args?.filter((word) => word !== "$(params.EXTRA_ARGS)") ?? [script ?? ""];
        const variables = Object.fromEntries(env.map(({ name, value }) => [name, filled(value)]));
        await job("restricted", folder, variables, [...command, ...words.map((word) => filled(word))]);
      }
      expect(readFileSync(join(folder, "results/digest"), "utf8")).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(readFileSync(join(folder, "results/url"), "utf8")).toBe(`${server.host}/tekton/app:1`);
      await pushed("tekton/app:1");
    });

    it("GitHub", async () => {
      const { jobs } = example("GitHub") as Workflow;
      const { run = "", env = {} } = jobs.build.steps.find((step) => step.run !== undefined) ?? {};
      const folder = await space.files("github", sources());
      const given: Readonly<Record<string, string>> = { "github.actor": "user", "secrets.GITHUB_TOKEN": "secret", "github.repository": "team/github" };
      const own = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, given[/\{\{ (.*) \}\}/.exec(value)?.[1] ?? ""] ?? ""]));
      const script = run.replaceAll("ghcr.io", server.host);
      await job("docker", folder, { ...own, GITHUB_SHA: "4567", HOME: "/tmp", VARVE_HOME: "/tmp/varve" }, ["sh", "-ec", script]);
      await pushed("team/github:4567");
    });
  });
});
