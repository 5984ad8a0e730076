import { chownSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { describeWithTools } from "@varve/testkit";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createWorkspace, runProgram, VARVE, type Outcome, type Workspace } from "../e2e/varve.ts";
import { makeDebianBase } from "./debian-base.ts";

const STATIC_C = `FROM debian:base AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY hello.c .
RUN gcc -static -O2 -o /hello hello.c
FROM scratch
COPY --from=build /hello /hello
ENTRYPOINT ["/hello"]
CMD ["world"]
`;

const HELLO_C = `#include <stdio.h>
int main(int argc, char **argv) { printf("hello, %s\\n", argc > 1 ? argv[1] : "nobody"); return 0; }
`;

const ACCOUNTS = `FROM debian:base
RUN useradd --create-home --uid 1500 --shell /bin/bash ada && install -d -o ada -g ada -m 2750 /data && echo x > /data/x && chown ada:ada /data/x
USER ada
WORKDIR /home/ada/desk
RUN id -un > who && umask > mask && echo "$HOME" > home && test ! -w /etc/passwd
USER root
RUN rm -rf /usr/share/doc && mv /usr/share/man /usr/share/handbook
`;

/** cron's package makes a group and gives it a set-gid program. */
const INSTALL = `FROM debian:base
RUN apt-get update && apt-get install -y --no-install-recommends cron && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home ada && chown -R ada /home/ada && su ada -c "touch /home/ada/hers"
`;

/** The command line as an ordinary user, with nothing of root left. */
const AS_USER = ["--reuid=1000", "--regid=1000", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", process.execPath, VARVE];

describeWithTools(["mmdebstrap", "unshare", "setpriv", "bwrap"], "on a Debian base", () => {
  let space: Workspace;
  beforeAll(async () => {
    space = await createWorkspace();
    await makeDebianBase(space, "base");
    await space.ok(["build", "-t", "debian:base", "base"]);
  }, 300_000);
  afterAll(async () => {
    await space?.[Symbol.asyncDispose]();
  });

  it("installs a compiler in a RUN and makes a static program of it", async () => {
    await space.files("c", { Dockerfile: STATIC_C, "hello.c": HELLO_C });
    await space.ok(["build", "-t", "hello:1", "c"]);
    expect((await space.ok(["run", "hello:1"])).stdout).toBe("hello, world\n");
    expect((await space.ok(["run", "hello:1", "varve"])).stdout).toBe("hello, varve\n");
    const { config } = JSON.parse((await space.ok(["inspect", "hello:1"])).stdout) as { config: { rootfs: { diff_ids: string[] } } };
    expect(config.rootfs.diff_ids).toHaveLength(1);
  }, 300_000);

  it("installs packages for an ordinary user, on the rungs with one id", async () => {
    await space.files("install", { Dockerfile: INSTALL });
    const home = join(space.root, "home-1000");
    mkdirSync(home);
    for (const path of [space.root, home]) chownSync(path, 1000, 1000);
    const varve = (...args: string[]): Promise<Outcome> =>
      runProgram("setpriv", [...AS_USER, ...args], { cwd: space.root, env: { VARVE_HOME: home, HOME: home } });
    expect(await varve("build", "-t", "debian:base", "base")).toMatchObject({ code: 0 });
    for (const sandbox of ["namespace", "bwrap"]) {
      const built = await varve("build", "--no-cache", "--progress", "plain", "--sandbox", sandbox, "-t", `install:${sandbox}`, "install");
      expect(built, built.stderr).toMatchObject({ code: 0 });
      // once, not for each of the two steps
      expect(built.stderr.match(/all files belong to one user/g)).toHaveLength(1);
      const { stdout } = await varve(
        "run",
        "--sandbox",
        sandbox,
        `install:${sandbox}`,
        "sh",
        "-c",
        "dpkg -s cron | grep ^Status; ls /home/ada; ls /etc/apt/apt.conf.d",
      );
      expect(stdout).toContain("Status: install ok installed\nhers\n");
    }
  }, 300_000);

  it("keeps users, groups, modes and replaced directories", async () => {
    await space.files("accounts", { Dockerfile: ACCOUNTS });
    await space.ok(["build", "-t", "accounts:1", "accounts"]);
    const script =
      "cat /home/ada/desk/who /home/ada/desk/mask /home/ada/desk/home; stat -c '%a %U %G' /data /data/x /home/ada/desk; ls -d /usr/share/doc /usr/share/man /usr/share/handbook 2>&1 | sort";
    const { stdout } = await space.ok(["run", "--user", "root", "accounts:1", "sh", "-c", script]);
    expect(stdout.split("\n")).toEqual([
      "ada",
      "0022",
      "/home/ada",
      "2750 ada ada",
      "644 ada ada",
      "755 ada ada",
      "/usr/share/handbook",
      "ls: cannot access '/usr/share/doc': No such file or directory",
      "ls: cannot access '/usr/share/man': No such file or directory",
      "",
    ]);
  }, 120_000);
});
