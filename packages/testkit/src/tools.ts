import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, it } from "vitest";

/** The absolute path of a program of the host, looked for in PATH and the sbin folders; undefined when it is missing. */
export function findTool(name: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return folders
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

/** Whether a program is in PATH or an sbin folder. */
export function hasTool(name: string): boolean {
  return findTool(name) !== undefined;
}

/**
 * A `describe` that needs programs of the host. Without them it is skipped, its title naming them (`scripts/test.mjs` prints those), or
 * fails where `CI=true`: there `scripts/install-peers.sh` should have installed them.
 */
export function describeWithTools(tools: readonly string[], title: string, body: () => void): void {
  const missing = tools.filter((tool) => !hasTool(tool));
  if (missing.length === 0) describe(title, body);
  else if (process.env["CI"] === "true") {
    describe(title, () => {
      it(`has ${tools.join(", ")}`, () => {
        throw new Error(`missing: ${missing.join(", ")}; scripts/install-peers.sh installs them`);
      });
    });
  } else describe.skip(`${title} (needs ${missing.join(", ")})`, body);
}
