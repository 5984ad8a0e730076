import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chown, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeWithTools } from "@varve/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { signalOnceAsleep, sleepers } from "./sleepers.ts";
import { createWorkspace, makeBusyboxRoot, type Outcome, runProgram, VARVE, type Workspace } from "./varve.ts";

const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url));
/** Puts a command into Docker's default container, CRI-O's, a *restricted* pod; not part of this repository. */
const JAIL = join(CHECKOUT, "../shared/tools/jail.mjs");
const ORDINARY = 1000;
const SECRET = "hunter2-of-the-jails";

const DOCKERFILE = `FROM base
RUN mkdir -p /srv/app && echo 1 > /srv/app/a && ln /srv/app/a /srv/app/b && ln -s a /srv/app/c && mkfifo /srv/app/f && chown -R 7:8 /srv/app && chmod 4755 /srv/app/a
COPY x /srv/app/x
RUN rm -rf /srv/app/x/sub && echo f > /srv/app/x/sub && mv /srv/app/x /srv/moved && rm -rf /etc/removed
RUN --mount=type=cache,target=/var/cache/c --mount=type=secret,id=s --mount=type=tmpfs,target=/t --mount=type=bind,source=x,target=/in,rw \
  cat /in/f > /out && echo no > /in/f && touch /t/x && grep -q ${SECRET.slice(0, 7)} /run/secrets/s && echo c >> /var/cache/c/log && wc -l < /var/cache/c/log > /count
RUN (sleep 1000 &) ; setsid sleep 1000 > /dev/null 2>&1 & echo started > /dev/stdout
RUN <<EOT
echo heredoc > /heredoc
EOT
USER 5:6
RUN test "$(id -u):$(id -g)" = 5:6 && echo mine > /tmp/mine
`;

/** A place to build in, and whether owners are real there. */
interface Place {
  readonly name: string;
  readonly owners: boolean;
  /** Who the program runs as. */
  readonly user: number;
  /** Before the program's own arguments. */
  command(space: Workspace, home: string): readonly string[];
  readonly args: readonly string[];
}

const asUser = ["setpriv", `--reuid=${ORDINARY}`, `--regid=${ORDINARY}`, "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"];
const jail = (profile: string, owners: boolean, user: number): Place => ({
  name: `in the jail ${profile}`,
  owners,
  user,
  command: (space, home) => ["node", JAIL, profile, "--rw", space.root, "--rw", CHECKOUT, "--env", `VARVE_HOME=${home}`, "--", "node", VARVE],
  args: [],
});
const direct = (sandbox: string, owners: boolean, user: number): Place => ({
  name: `on the rung ${sandbox}`,
  owners,
  user,
  command: () => [...(user === 0 ? [] : asUser), "node", VARVE],
  args: ["--sandbox", sandbox],
});

function describePlaces(places: readonly Place[]): void {
  let space: Workspace;
  let expected: readonly string[] = [];
  const build = async (place: Place, folder: string, ...args: string[]): Promise<Outcome> => {
    const home = join(space.root, `home-${place.name.replaceAll(" ", "-")}`);
    await mkdir(home, { recursive: true });
    await chown(home, place.user, place.user);
    const [program = "", ...rest] = place.command(space, home);
    return await runProgram(program, [...rest, "build", ...place.args, "--progress", "plain", ...args, join(space.root, folder)], {
      cwd: space.root,
      env: { VARVE_HOME: home, HOME: home, NO_COLOR: "1" },
    });
  };
  const filesOf = async (place: Place): Promise<{ readonly lines: string[]; readonly said: string }> => {
    const out = join(space.root, `out-${place.name.replaceAll(" ", "-")}`);
    await mkdir(out);
    await chown(out, place.user, place.user);
    const args = ["--build-context", `base=${join(space.root, "base/root")}`, "--secret", `id=s,src=${join(space.root, "secret/s")}`];
    const outcome = await build(place, "app", ...args, "-o", `type=tar,dest=${out}/image.tar`);
    if (outcome.code !== 0) throw new Error(outcome.stderr);
    return { lines: listing(`${out}/image.tar`), said: outcome.stderr };
  };
  beforeAll(async () => {
    space = await createWorkspace();
    await makeBusyboxRoot(join(space.root, "base/root"));
    await space.files("base", { "root/etc/removed/file": "gone" });
    await space.files("app", { Dockerfile: DOCKERFILE, "x/f": "from the context\n", "x/sub/deep": "d" });
    await space.files("secret", { s: SECRET });
    execFileSync("chmod", ["-R", "a+rX", space.root]);
    expected = (await filesOf(direct("namespace", true, 0))).lines;
  });
  afterAll(async () => {
    await space?.[Symbol.asyncDispose]();
  });

  it("has what the Dockerfile makes", () => {
    const names = expected.map((line) => line.split(" ").slice(3).join(" "));
    expect(names).toEqual(expect.arrayContaining(["srv/app/f", "srv/moved/sub", "count", "heredoc", "tmp/mine"]));
    expect(names.filter((name) => /^(run\/.|t\/|in\/|etc\/removed|etc\/hosts|var\/.|dev\/.)/.test(name))).toEqual([]);
  });

  it.each(places)("gives the same files $name", async (place) => {
    const { lines, said } = await filesOf(place);
    const shown = (all: readonly string[]): readonly string[] => (place.owners ? all : all.map(withoutOwner).toSorted());
    expect(shown(lines)).toEqual(shown(expected));
    expect(said).toMatch(/^#\d+ [\d.]+ started$/m);
    const home = join(space.root, `home-${place.name.replaceAll(" ", "-")}`);
    expect(grep(SECRET, home)).toBe("");
    for (const form of await readdir(join(home, "snapshots"))) expect(await readdir(join(home, "snapshots", form, "work")).catch(() => [])).toEqual([]);
  });

  // root there could remove them, were it not for Landlock
  const confined = places.filter(({ name }) => name.endsWith(" crio"));
  it.runIf(confined.length > 0).each(confined)("keeps the container's own devices $name", async (place) => {
    await space.files("devices", { Dockerfile: "FROM base\nRUN rm -f /dev/null /dev/zero; test -c /dev/zero && echo 1 > /dev/null\nRUN test -c /dev/null\n" });
    const outcome = await build(place, "devices", "--build-context", `base=${join(space.root, "base/root")}`);
    // a kernel without Landlock
    if (/nothing but translated paths/.test(outcome.stderr)) return;
    expect(outcome.code, outcome.stderr).toBe(0);
  });

  it.each(places.filter(({ args }) => args.length > 0))("leaves nothing after kill -9 $name", async (place) => {
    const marker = `96${process.pid}`;
    await space.files("killed", {
      Dockerfile: `FROM base\nRUN --mount=type=secret,id=s --mount=type=cache,target=/c echo 1 > /c/kept; setsid sleep ${marker} > /dev/null 2>&1 & cp /run/secrets/s /copy; sleep ${marker}\n`,
    });
    const args = ["--build-context", `base=${join(space.root, "base/root")}`, "--secret", `id=s,src=${join(space.root, "secret/s")}`];
    const home = join(space.root, `home-${place.name.replaceAll(" ", "-")}`);
    const [program = "", ...rest] = place.command(space, home);
    const killed = await runProgram(program, [...rest, "build", ...place.args, ...args, join(space.root, "killed")], {
      cwd: space.root,
      env: { VARVE_HOME: home, HOME: home },
      onStart: signalOnceAsleep(marker, "SIGKILL"),
    });
    expect(killed.signal).toBe("SIGKILL");
    await expect.poll(() => sleepers(marker), { timeout: 20_000, interval: 100 }).toEqual([]);
    await space.files("again", { Dockerfile: "FROM base\nRUN --mount=type=cache,target=/c test -e /c/kept && ! test -e /copy\n" });
    const again = await build(place, "again", "--build-context", `base=${join(space.root, "base/root")}`);
    expect(again.stderr).toMatch(/DONE/);
    expect(again.code).toBe(0);
    expect(grep(SECRET, home)).toBe("");
  });

  it.each(places.filter(({ args }) => args.length > 0))("refuses what it cannot give, at its line, $name", async (place) => {
    await space.files("asking", { Dockerfile: "FROM base\nRUN true\nRUN --network=none true\n" });
    const outcome = await build(place, "asking", "--build-context", `base=${join(space.root, "base/root")}`);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/Dockerfile:3:1: .*\[SANDBOX_UNSUPPORTED\]/);
  });
}

describeWithTools(["busybox", "proot", "setpriv"], "RUN where nothing can be mounted", () => {
  describePlaces([direct("chroot", true, 0), direct("proot", false, ORDINARY)]);

  it("is an error at the line where it is not wanted", async () => {
    await using space = await createWorkspace();
    await space.files("none", { Dockerfile: "FROM scratch\nCOPY Dockerfile /\nRUN true\n" });
    const outcome = await space.varve(["build", "--sandbox", "none", "none"]);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/Dockerfile:3:1: .*\[SANDBOX_UNAVAILABLE\]/);
  });
});

describe.skipIf(!existsSync(JAIL))(`RUN in the places that grant little${existsSync(JAIL) ? "" : ` (needs ${JAIL})`}`, () => {
  describeWithTools(["busybox", "proot", "runc"], "by the rung that varve takes there", () => {
    describePlaces([jail("docker", true, 0), jail("crio", false, 0), jail("restricted", false, ORDINARY)]);
  });
});

/** `mode owner size name` of each file. */
function listing(tar: string): string[] {
  const text = execFileSync("tar", ["--numeric-owner", "-tvf", tar], { encoding: "utf8", maxBuffer: 1 << 26 });
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [mode, owner, size, , , ...name] = line.split(/\s+/);
      return `${mode ?? ""} ${owner ?? ""} ${size ?? ""} ${name.join(" ").replace(/^\.?\//, "")}`;
    })
    .toSorted();
}

function withoutOwner(line: string): string {
  const [mode, , ...rest] = line.split(" ");
  return [mode, ...rest].join(" ");
}

function grep(text: string, folder: string): string {
  try {
    return execFileSync("grep", ["-rlaF", "--devices=skip", text, folder], { encoding: "utf8" });
  } catch {
    // none of the files has it
    return "";
  }
}
