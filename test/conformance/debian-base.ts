import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Workspace } from "../e2e/varve.ts";

const SOURCES = "/etc/apt/sources.list.d";

/** The host's own apt sources, in whatever form they are. */
function aptSources(): string[] {
  return readdirSync(SOURCES)
    .filter((name) => /\.(sources|list)$/.test(name))
    .map((name) => join(SOURCES, name));
}

/** Makes a context of a small Debian in a folder of the workspace; mmdebstrap takes about 16 seconds. */
export async function makeDebianBase(space: Workspace, folder: string): Promise<void> {
  const context = await space.files(folder, { Dockerfile: "FROM scratch\nADD base.tar /\n" });
  execFileSync("mmdebstrap", ["--variant=minbase", "--format=tar", "bookworm", join(context, "base.tar"), ...aptSources()], { stdio: "ignore" });
}
