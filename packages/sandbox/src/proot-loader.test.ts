import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { findHostTool } from "./host-tool.ts";
import { launcherExecutable } from "./launcher/executable.ts";
import { findProotLoaders } from "./proot-loader.ts";

it("finds an executable inside another, and none where there is none", () => {
  const inner = launcherExecutable("x64");
  const outer = Buffer.concat([Buffer.from("\x7fELF and so on, \x7fELF"), Buffer.alloc(100), inner, Buffer.from("the rest")]);
  expect(findProotLoaders(outer)).toEqual({ native: Buffer.from(inner) });
  expect(findProotLoaders(inner)).toEqual({});
  expect(findProotLoaders(Buffer.concat([Buffer.from("first"), inner.subarray(0, 90)]))).toEqual({});
});

const proot = findHostTool("proot");
it.skipIf(proot === undefined)("finds what proot itself carries", () => {
  const { native = Buffer.alloc(0) } = findProotLoaders(readFileSync(proot ?? ""));
  expect(native.length).toBeGreaterThan(1000);
});
