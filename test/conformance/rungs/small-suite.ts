import { execFileSync } from "node:child_process";
import { chmod, cp, mkdir, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeBusyboxRoot, type Workspace } from "../../e2e/varve.ts";
import { PREDICTED_CASES, SMALL_CASES, WIDE_CASES } from "./rung-cases.mjs";
import type { RungSuite } from "./rung-suite.ts";

/** What a shell and a few files show; fast enough to be run everywhere. */
export const SMALL_SUITE: RungSuite = { name: "SMALL", cases: SMALL_CASES, makeContexts, apart: () => false };
/** On the same base, whole trees and what lasts. */
export const WIDE_SUITE: RungSuite = { ...SMALL_SUITE, name: "WIDE", cases: WIDE_CASES };
/** On the same base, steps that doctor has something to say of. */
export const PREDICTED_SUITE: RungSuite = { ...SMALL_SUITE, name: "PREDICTED", cases: PREDICTED_CASES };

async function makeContexts(space: Workspace): Promise<void> {
  const root = join(space.root, "contexts/bb/root");
  await makeBusyboxRoot(root);
  await writeFile(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nada:x:1500:1500:Ada:/home/ada:/bin/sh\n");
  await writeFile(join(root, "etc/group"), "root:x:0:\nada:x:1500:\nstaff:x:50:ada\n");
  await mkdir(join(root, "srv/dir/deep"), { recursive: true });
  await mkdir(join(root, "home/ada"), { recursive: true });
  await writeFile(join(root, "etc/motd"), "welcome\n");
  await writeFile(join(root, "srv/dir/deep/file"), "deep\n");
  await symlink("../etc/motd", join(root, "srv/link"));
  await cp(join(root, "bin/busybox"), join(root, "bin/tool"));
  // ordinary users read it too
  await chmod(join(root, "root"), 0o755);
  const then = new Date("2020-01-01T00:00:00Z");
  for (const path of execFileSync("find", [root, "-depth", "!", "-type", "l"], { encoding: "utf8" }).trim().split("\n")) await utimes(path, then, then);
  await space.files("contexts/bb", { Dockerfile: "FROM scratch\nCOPY root/ /\n" });
  await space.files("contexts/given", { given: "given\n" });
}
