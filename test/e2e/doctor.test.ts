import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeWithTools } from "@varve/testkit";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createWorkspace, makeBusyboxRoot, type Outcome, runProgram, VARVE, type Workspace } from "./varve.ts";

const DOCKERFILE = `FROM bb:1
RUN adduser -D ada; mkdir /d && chown 7:8 /d
RUN test -d /d
`;

interface Diagnosis {
  readonly chosen?: string;
  readonly rungs: readonly {
    readonly name: string;
    readonly works: boolean;
    readonly failed: readonly { readonly reason: string; readonly remedy?: string }[];
  }[];
  readonly dockerfile?: { readonly steps: readonly { readonly line: number; readonly problems: readonly { readonly kind: string }[] }[] };
}

describeWithTools(["busybox", "unshare", "setpriv", "newuidmap"], "the ladder of sandboxes", () => {
  let space: Workspace;
  const home = (): string => join(space.root, "home-1000");
  /** varve as uid 1000, with this text as /etc/subuid and /etc/subgid. */
  const asUser = async (subIds: string, ...args: string[]): Promise<Outcome> => {
    writeFileSync(join(space.root, "subid"), subIds);
    const script = 'mount --bind "$0/subid" /etc/subuid && mount --bind "$0/subid" /etc/subgid && exec setpriv --reuid=1000 --regid=1000 --clear-groups "$@"';
    return await runProgram("unshare", ["-m", "sh", "-c", script, space.root, process.execPath, VARVE, ...args], {
      cwd: space.root,
      env: { VARVE_HOME: home(), HOME: home(), VARVE_SANDBOX: "" },
    });
  };
  beforeAll(async () => {
    space = await createWorkspace();
    await makeBusyboxRoot(join(space.root, "base/root"));
    await space.files("base", { Dockerfile: 'FROM scratch\nCOPY root/ /\nENV PATH=/bin:/sbin\nCMD ["sh"]\n' });
    await space.files("app", { Dockerfile: DOCKERFILE });
    mkdirSync(home());
    execFileSync("chown", ["-R", "1000:1000", space.root]);
    expect(await asUser("", "build", "-t", "bb:1", "base")).toMatchObject({ code: 0 });
  });
  afterAll(async () => {
    await space?.[Symbol.asyncDispose]();
  });

  it("is explained to an ordinary user, with the remedy", async () => {
    const { code, stdout } = await asUser("", "doctor", "--json", "app");
    const found = JSON.parse(stdout) as Diagnosis;
    expect({ code, chosen: found.chosen }).toEqual({ code: 0, chosen: "namespace" });
    const userns = found.rungs.find(({ name }) => name === "userns");
    expect(userns).toMatchObject({ works: false, failed: [{ remedy: expect.stringMatching(/^as root: echo .* >> \/etc\/subuid$/) as string }] });
    expect(found.dockerfile?.steps).toMatchObject([
      { line: 2, problems: [{ kind: "differs" }] },
      { line: 3, problems: [] },
    ]);
    const text = (await asUser("", "doctor", "-f", "app/Dockerfile")).stdout;
    expect(text).toContain("RUN works here, in the sandbox namespace.");
    expect(text).toContain("Stronger ones:\n");
  });

  it("says what is wrong with a bubblewrap that is set-user-ID", async () => {
    const bin = join(space.root, "bin");
    mkdirSync(bin);
    copyFileSync(process.execPath, join(bin, "bwrap"));
    chmodSync(join(bin, "bwrap"), 0o4755);
    const ids = ["--reuid=1000", "--regid=1000", "--clear-groups"];
    const env = { VARVE_HOME: home(), HOME: home(), VARVE_SANDBOX: "", PATH: `${bin}:${process.env["PATH"] ?? ""}` };
    const { stdout } = await runProgram("setpriv", [...ids, process.execPath, VARVE, "doctor", "--json"], { cwd: space.root, env });
    const bwrap = (JSON.parse(stdout) as Diagnosis).rungs.find(({ name }) => name === "bwrap");
    expect(bwrap?.failed).toMatchObject([
      { reason: expect.stringContaining("is set-user-ID") as string, remedy: expect.stringContaining("chmod u-s") as string },
    ]);
  });

  it("gives an ordinary user real owners by newuidmap once the remedy is taken, and tells when that is lost again", async () => {
    const subIds = "1000:100000:65536\n";
    expect(JSON.parse((await asUser(subIds, "doctor", "--json")).stdout) as Diagnosis).toMatchObject({ chosen: "userns" });
    expect(await asUser(subIds, "build", "-t", "app:1", "app")).toMatchObject({ code: 0 });
    expect((await asUser(subIds, "run", "app:1", "stat", "-c", "%u:%g", "/d")).stdout).toBe("7:8\n");
    const { stderr } = await asUser("", "build", "--no-cache", "--progress", "plain", "app");
    expect(stderr.match(/weaker than userns/g)).toHaveLength(1);
    expect((await asUser("", "build", "--no-cache", "--progress", "plain", "app")).stderr).not.toContain("weaker");
  });

  it("fails where isolation is required and there is none by that name", async () => {
    const { code, stderr } = await asUser("", "doctor", "--sandbox", "cloud");
    expect(code).toBe(1);
    expect(stderr).toContain('there is no sandbox "cloud"');
  });
});
