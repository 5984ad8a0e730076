import { expect, test } from "vitest";
import { hostileDockerfiles } from "../../../fixtures/dockerfiles/hostile.ts";
import { DOCKERFILE_LIMIT, parseDockerfile, parseDockerfileTolerant } from "./parser.ts";

test("a file may be as large as the limit and not one larger", () => {
  expect(() => parseDockerfile(`FROM a\n#${"x".repeat(DOCKERFILE_LIMIT - 8)}`)).not.toThrow();
  expect(() => parseDockerfile(`FROM a\n#${"x".repeat(DOCKERFILE_LIMIT - 7)}`)).toThrow(expect.objectContaining({ code: "DOCKERFILE_TOO_LARGE" }));
});

test.each(hostileDockerfiles(128 * 1024))("%s: parsing ends", (_name, text) => {
  expect(parseDockerfileTolerant(text).dockerfile.text).toBe(text);
});
