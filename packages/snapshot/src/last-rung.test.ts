import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bwrapDriver, namespaceDriver, usernsDriver } from "@varve/sandbox";
import { expect, it } from "vitest";
import { noteRung } from "./last-rung.ts";

it("tells that steps run in a weaker rung than before, once", () => {
  const directory = mkdtempSync(join(tmpdir(), "varve-rung-"));
  const ladder = [usernsDriver, namespaceDriver, bwrapDriver];
  const note = (name: string): string | undefined => noteRung(directory, ladder, name);
  try {
    expect(note("namespace")).toBeUndefined();
    expect(note("namespace")).toBeUndefined();
    expect(note("bwrap")).toContain("bwrap, which is weaker than namespace");
    expect(note("bwrap")).toBeUndefined();
    expect(note("userns")).toBeUndefined();
    expect(noteRung("/nonexistent/place", ladder, "bwrap")).toBeUndefined();
  } finally {
    rmSync(directory, { recursive: true });
  }
});
