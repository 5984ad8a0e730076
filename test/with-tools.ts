import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, it } from "vitest";

/** Whether a program is in PATH or an sbin folder. */
export function hasTool(name: string): boolean {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return folders.some((folder) => folder !== "" && existsSync(join(folder, name)));
}

/**
 * A `describe` that needs programs of the host. Without them it is skipped, its title naming them, or fails where `CI=true`:
 * there `scripts/install-peers.sh` should have installed them.
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
