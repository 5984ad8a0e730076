import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { canonicalJson, MEDIA_TYPES } from "@varve/oci";
import { describeWithTools } from "@varve/testkit";
import { blobOf, createServedSpace, createTestFolder, pushImage, type ServedSpace, type TestFolder } from "@varve/testkit/registry";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createRegistryClient } from "../registry-client.ts";

let space: ServedSpace;
let folder: TestFolder;
beforeAll(async () => {
  space = await createServedSpace();
  folder = await createTestFolder();
});
afterAll(async () => {
  await space?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

async function run(program: string, ...args: readonly string[]): Promise<string> {
  return (await promisify(execFile)(program, args)).stdout.trim();
}

/** An image with one real layer, made by umoci. */
async function makeImage(): Promise<string> {
  const layout = join(folder.path, "layout");
  const files = join(folder.path, "files");
  await mkdir(files);
  await writeFile(join(files, "greeting"), "hello\n".repeat(200_000));
  await run("umoci", "init", "--layout", layout);
  await run("umoci", "new", "--image", `${layout}:v1`);
  await run("umoci", "insert", "--image", `${layout}:v1`, files, "/opt");
  return `oci:${layout}:v1`;
}

describeWithTools(["skopeo", "umoci"], "skopeo as a client", () => {
  const skopeo = (command: string, ...args: readonly string[]): Promise<string> => run("skopeo", ...command.split(" "), ...args);
  const at = (name: string): string => `docker://${space.host}/${name}`;
  let image: string;
  beforeAll(async () => {
    image = await makeImage();
  });

  it("pushes, looks, pulls, copies between repositories", async () => {
    await skopeo("copy --dest-tls-verify=false", image, at("team/app:v1"));
    const digest = await skopeo("inspect --tls-verify=false --format {{.Digest}}", at("team/app:v1"));
    expect(digest).toBe(await skopeo("inspect --format {{.Digest}}", image));
    await skopeo("copy --src-tls-verify=false", at(`team/app@${digest}`), `dir:${join(folder.path, "pulled")}`);
    await skopeo("copy --src-tls-verify=false --dest-tls-verify=false", at("team/app:v1"), at("team/other:v2"));
    expect(JSON.parse(await skopeo("list-tags --tls-verify=false", at("team/other")))).toMatchObject({ Tags: ["v2"] });
  });

  it("pushes Docker's schema 2", async () => {
    await skopeo("copy --format v2s2 --dest-tls-verify=false", image, at("team/docker:v1"));
    const raw = JSON.parse(await skopeo("inspect --raw --tls-verify=false", at("team/docker:v1"))) as { mediaType: string };
    expect(raw.mediaType).toBe(MEDIA_TYPES.dockerManifest);
  });

  it("copies an index with all it names, which varve pushed", async () => {
    await using client = createRegistryClient();
    const repository = client.repository({ registry: space.host, repository: "team/app" });
    const v1 = await repository.fetchManifest("v1");
    const platform = { os: "linux", architecture: "amd64" };
    const index = blobOf(
      canonicalJson({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [{ ...v1.descriptor, platform }] }),
      MEDIA_TYPES.ociIndex,
    );
    await pushImage(repository, { blobs: [], manifest: index }, "multi");
    await skopeo("copy --all --src-tls-verify=false --dest-tls-verify=false", at("team/app:multi"), at("team/copied:multi"));
    expect((await client.repository({ registry: space.host, repository: "team/copied" }).resolve("multi")).digest).toBe(index.descriptor.digest);
  });

  it("deletes", async () => {
    await skopeo("copy --dest-tls-verify=false", image, at("team/gone:v1"));
    await skopeo("delete --tls-verify=false", at("team/gone:v1"));
    await expect(skopeo("inspect --tls-verify=false", at("team/gone:v1"))).rejects.toThrow(/unknown|no repository/);
  });
});

describeWithTools(["buildah", "podman"], "buildah and podman as clients", () => {
  it("push and pull", async () => {
    const storage = ["--root", join(folder.path, "storage"), "--runroot", join(folder.path, "runroot"), "--storage-driver", "vfs"];
    const container = await run("buildah", ...storage, "from", "scratch");
    await run("buildah", ...storage, "config", "--label", "from=buildah", container);
    await run("buildah", ...storage, "commit", "--rm", container, "made");
    await run("buildah", ...storage, "push", "--tls-verify=false", "made", `docker://${space.host}/team/buildah:v1`);
    await run("podman", ...storage, "pull", "--tls-verify=false", `${space.host}/team/buildah:v1`);
    expect(await run("podman", ...storage, "image", "inspect", "--format", '{{index .Labels "from"}}', `${space.host}/team/buildah:v1`)).toBe("buildah");
    await run("podman", ...storage, "push", "--tls-verify=false", `${space.host}/team/buildah:v1`, `${space.host}/team/podman:v2`);
    await using client = createRegistryClient();
    expect(await client.repository({ registry: space.host, repository: "team/podman" }).tags()).toEqual(["v2"]);
  });
});
