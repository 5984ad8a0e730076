import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describeWithTools } from "@varve/testkit";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createWorkspace, makeBusyboxRoot, type Workspace } from "./varve.ts";

const DOCKERFILE = `FROM base:1
COPY file /file
RUN --network=none cat /proc/sys/kernel/random/uuid > /chance
`;

describeWithTools(["busybox"], "varve verify", () => {
  let space: Workspace;
  const env = { SOURCE_DATE_EPOCH: "1600000000" };
  beforeAll(async () => {
    space = await createWorkspace();
    await makeBusyboxRoot(join(space.root, "base/root"));
    await space.files("base", { Dockerfile: "FROM scratch\nCOPY root/ /\nENV PATH=/bin:/usr/bin\n" });
    await space.files("app", { Dockerfile: DOCKERFILE, "steady.Dockerfile": DOCKERFILE.replace(/cat .*/, "sort /file > /sorted"), file: "b\na\n" });
    await space.ok(["build", "-t", "base:1", "base"]);
    await space.ok(["build", "-t", "app:chance", "app"], { env });
    await space.ok(["build", "-f", "app/steady.Dockerfile", "-o", "type=image,name=app:steady,rewrite-timestamp=true", "--iidfile", "id", "app"], { env });
  });
  afterAll(() => space?.[Symbol.asyncDispose]());

  it("says identical and ends with 0, whatever the environment says no more", async () => {
    const { code, stdout } = await space.varve(["verify", "app:steady", "app", "-f", "app/steady.Dockerfile"]);
    expect(stdout).toMatch(/^identical: sha256:[0-9a-f]{64}\n$/);
    expect(code).toBe(0);
    const { stdout: json } = await space.ok(["verify", "--json", "app:steady", "app", "-f", "app/steady.Dockerfile"]);
    expect(JSON.parse(json)).toMatchObject({ identical: true, sameBlobs: true, image: { imageID: await readFile(join(space.root, "id"), "utf8") } });
  });

  it("names what chance made, and ends with 3", async () => {
    const { code, stdout } = await space.varve(["verify", "app:chance", "app"], { env });
    expect(stdout.replaceAll(/"[0-9a-f-]{4,}(?:\\n)?"…?/g, "UUID")).toMatch(
      /^different: layer 3 of 3 \(RUN \/bin\/sh -c cat \/proc\/sys\/kernel\/random\/uuid > \/chance # buildkit\), \/chance\n(?: {2}mtime: .*\n)? {2}content from byte \d+ on: UUID in the image, UUID when built again\n$/,
    );
    expect(code).toBe(3);
  });

  it("tells when only the builds' times differ", async () => {
    await space.ok(["build", "-t", "base:2", "base"]);
    const { code, stdout } = await space.varve(["verify", "base:2", "base"]);
    expect(stdout).toContain("\nonly the times of the builds differ: with SOURCE_DATE_EPOCH they would not\n");
    expect(code).toBe(3);
  });

  it("ends with 1 for an image that isn't there, and 2 for a Dockerfile that can't be", async () => {
    expect((await space.varve(["verify", "./missing.tar", "app"])).code).toBe(1);
    await space.files("app", { "wrong.Dockerfile": "FORM scratch\n" });
    expect((await space.varve(["verify", "app:steady", "app", "-f", "app/wrong.Dockerfile"])).code).toBe(2);
  });
});
