import { execFileSync } from "node:child_process";
import { chmod, lstat } from "node:fs/promises";
import { join } from "node:path";
import { describeWithTools } from "@varve/testkit";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createWorkspace, makeBusyboxRoot, type Workspace } from "./varve.ts";

/** `cap_net_raw=ep` and `cap_net_bind_service=ep`, as the kernel keeps them (vfs_cap_data, revision 2). */
const NET_RAW = "0x0100000200200000000000000000000000000000";
const NET_BIND = "0x0100000200040000000000000000000000000000";

describeWithTools(["busybox", "unshare", "setfattr", "getfattr"], "a program of the context with capabilities", () => {
  let space: Workspace;
  beforeAll(async () => {
    space = await createWorkspace();
    await makeBusyboxRoot(join(space.root, "base/root"));
    await space.files("base", { Dockerfile: "FROM scratch\nCOPY root/ /\nENV PATH=/bin:/sbin\n" });
    await space.ok(["build", "-t", "bb:1", "base"]);
  });
  afterAll(async () => {
    await space?.[Symbol.asyncDispose]();
  });
  const capability = (path: string): string => {
    const shown = execFileSync("getfattr", ["-h", "--absolute-names", "--only-values", "-n", "security.capability", join(space.root, path)]);
    return `0x${shown.toString("hex")}`;
  };
  const set = (path: string, value: string): void => {
    execFileSync("setfattr", ["-n", "security.capability", "-v", value, join(space.root, path)]);
  };

  it.runIf(process.getuid?.() === 0)("keeps them in COPY, COPY --from, RUN and a local output, and they are part of the key", async () => {
    const dockerfile = `FROM bb:1 AS one
COPY bin/ /opt/
FROM bb:1
COPY --from=one --chown=7:8 /opt/ping /copied
COPY bin/ping /ping
RUN mv /ping /moved
`;
    const folder = await space.files("capable", { "bin/ping": "#!/bin/sh\n", "bin/other": "", Dockerfile: dockerfile });
    await chmod(join(folder, "bin/ping"), 0o755);
    set("capable/bin/ping", NET_RAW);
    const build = async (): Promise<string> => (await space.ok(["build", "--progress", "plain", "-o", "out", "capable"])).stderr;
    await build();
    expect(capability("out/copied")).toBe(NET_RAW);
    expect(capability("out/moved")).toBe(NET_RAW);
    expect((await lstat(join(space.root, "out/moved"))).mode & 0o777).toBe(0o755);
    expect((await build()).match(/CACHED/g)).toHaveLength(4);
    set("capable/bin/ping", NET_BIND);
    expect(await build()).not.toContain("CACHED");
    expect(capability("out/moved")).toBe(NET_BIND);
  });
});
