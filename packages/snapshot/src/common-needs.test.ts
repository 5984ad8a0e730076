import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { checkCommonNeeds } from "./common-needs.ts";

it("makes the folder, and names one that can't be had", () => {
  const folder = mkdtempSync(join(tmpdir(), "varve-needs-"));
  try {
    checkCommonNeeds(join(folder, "a/b"));
    expect(existsSync(join(folder, "a/b"))).toBe(true);
    writeFileSync(join(folder, "file"), "");
    const place = join(folder, "file/x");
    const message = `cannot write to ${place}: ENOTDIR: not a directory`;
    expect(() => checkCommonNeeds(place)).toThrow(expect.objectContaining({ code: "SNAPSHOT_FOLDER_UNUSABLE", message }));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
