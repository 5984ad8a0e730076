import { expect, test } from "vitest";
import { hostileDockerfiles } from "../../../fixtures/dockerfiles/hostile.ts";
import { DOCKERFILE_LIMIT, parseDockerfileTolerant } from "./parser.ts";

test.each(hostileDockerfiles(DOCKERFILE_LIMIT - 200))("%s of 4 MiB: parsing ends", (_name, text) => {
  expect(parseDockerfileTolerant(text).dockerfile.text).toBe(text);
});
