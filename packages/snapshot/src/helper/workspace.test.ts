import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { remove } from "./workspace.ts";

it("removes what is deeper than a path can be, closed directories too", async () => {
  const top = mkdtempSync(join(tmpdir(), "varve-remove-"));
  const [deep, half] = [join(top, "deep"), "/d".repeat(1000)];
  mkdirSync(`${deep}${half}`, { recursive: true });
  for (const name of ["one", "two"]) mkdirSync(join(top, name + half), { recursive: true });
  writeFileSync(join(top, `one${half}/file`), "");
  // what is moved takes what is below it along, however deep that is
  renameSync(join(top, "one"), join(top, `two${half}/d`));
  chmodSync(join(top, `two${"/d".repeat(500)}`), 0o500);
  renameSync(join(top, "two"), `${deep}${half}/d`);
  await remove(deep);
  expect(existsSync(deep)).toBe(false);
  await remove(top);
});
