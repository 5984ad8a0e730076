import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { findHostTool, requireHostTool } from "./host-tool.ts";

it("finds programs by absolute directories, in order, and only those that can be executed", () => {
  const base = mkdtempSync(join(tmpdir(), "varve-tools-"));
  try {
    for (const [directory, mode] of [
      ["a", 0o644],
      ["b", 0o755],
      ["c", 0o755],
    ] as const) {
      mkdirSync(join(base, directory));
      writeFileSync(join(base, directory, "varve-tool"), "#!/bin/sh\n", { mode });
    }
    mkdirSync(join(base, "a", "varve-directory"));
    const path = ["relative", ...["a", "b", "c"].map((name) => join(base, name))].join(":");
    expect(findHostTool("varve-tool", path)).toBe(join(base, "b", "varve-tool"));
    expect(findHostTool("varve-directory", path)).toBeUndefined();
  } finally {
    rmSync(base, { recursive: true });
  }
});

it("names what is missing and the package that has it", () => {
  expect(() => requireHostTool("varve-missing-tool", "varve-tools")).toThrow(
    expect.objectContaining({ code: "SANDBOX_UNAVAILABLE", hint: "install it (Debian: apt-get install varve-tools)" }) as Error,
  );
});
