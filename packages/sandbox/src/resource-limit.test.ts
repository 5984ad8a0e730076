import { expect, it } from "vitest";
import { resourceLimitNumber } from "./resource-limit.ts";

it("knows the kernel's limits by Docker's names, and no others", () => {
  expect(["core", "nofile", "rttime"].map(resourceLimitNumber)).toEqual([4, 7, 15]);
  for (const name of ["shoe", "constructor"])
    expect(() => resourceLimitNumber(name)).toThrow(expect.objectContaining({ code: "SANDBOX_UNKNOWN_LIMIT" }) as Error);
});
