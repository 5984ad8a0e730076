import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serveRegistry } from "@varve/registry";
import { openStore } from "@varve/store";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { build } from "../build.ts";
import type { BuildOptions, ImageForm } from "../build-options.ts";
import { epochOfImage } from "./verified-form.ts";
import { type Verification, verifyImage, type VerifyOptions } from "./verify-image.ts";

const EPOCH = 1_600_000_000;
const DOCKERFILE = `FROM scratch
WORKDIR /w
COPY . /w/all/
COPY f /w/f
LABEL stage=one
`;

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "varve-verify-"));
  await mkdir(join(root, "context/d"), { recursive: true });
  await put("f", "one\ntwo\nthree\n");
  await put("d/g", "g".repeat(3_000_000));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function put(path: string, text: string, time = EPOCH + 5): Promise<void> {
  await writeFile(join(root, "context", path), text);
  await utimes(join(root, "context", path), time, time);
}

const given = (dockerfile = DOCKERFILE, home = "home") => ({ context: join(root, "context"), dockerfile, home: join(root, home) });
const make = (form: ImageForm, more: Partial<BuildOptions> = {}) =>
  build({ ...given(), sourceDateEpoch: EPOCH, outputs: [{ type: "image", names: ["app:1"], push: false, form }], ...more });
const verify = (more: Partial<VerifyOptions> = {}): Promise<Verification> => verifyImage({ ...given(), image: "app:1", ...more });

describe("an image that is built again", () => {
  test.each([
    ["rewritten", { rewriteTimestamp: true }],
    ["not rewritten", {}],
    ["uncompressed", { compression: "uncompressed", rewriteTimestamp: true }],
    ["estargz", { compression: "estargz" }],
    ["of Docker's media types", { ociMediaTypes: false }],
  ] as const)("is identical to the last blob: %s", async (_name, form) => {
    const { descriptor, imageID } = await make(form);
    const sides = { digest: descriptor.digest, imageID };
    expect(await verify()).toEqual({ identical: true, sameBlobs: true, image: sides, rebuilt: sides });
  });

  test("is identical though another level made it", async () => {
    await make({ compressionLevel: 1 });
    expect(await verify()).toMatchObject({ identical: true, sameBlobs: false });
  });

  test("is found in an archive, in a layout and in a registry", async () => {
    await using store = await openStore({ root: join(root, "served") });
    await using server = await serveRegistry({ store });
    const name = `${server.name}/team/app:1`;
    await make(
      {},
      {
        home: join(root, "other"),
        outputs: [
          { type: "oci", dest: join(root, "app.tar"), tar: true, names: ["app:1"] },
          { type: "oci", dest: join(root, "layout"), tar: false, names: ["app:1"] },
          { type: "image", names: [name], push: true },
        ],
      },
    );
    for (const image of [join(root, "app.tar"), join(root, "layout"), name]) expect(await verify({ image }), image).toMatchObject({ identical: true });
  });

  test("leaves the cache as it was", async () => {
    await make({});
    await put("f", "changed");
    expect(await verify()).toMatchObject({ identical: false });
    expect((await make({})).steps).toEqual({ total: 3, cached: 1 });
  });
});

describe("the first difference", () => {
  const differences: readonly (readonly [string, () => Promise<Partial<VerifyOptions>>, object])[] = [
    [
      "a byte",
      async () => (await put("f", "one\ntwo\nTHREE\n"), {}),
      {
        part: "layer",
        layer: 1,
        layers: 3,
        createdBy: "COPY . /w/all/ # buildkit",
        path: "/w/all/f",
        fields: [{ field: "content", first: '"three\\n"', second: '"THREE\\n"', offset: 8 }],
      },
    ],
    [
      "a byte far within",
      async () => (await put("d/g", `${"g".repeat(2_900_000)}h${"g".repeat(99_999)}`), {}),
      { path: "/w/all/d/g", fields: [{ field: "content", offset: 2_900_000 }] },
    ],
    [
      "more at the end",
      async () => (await put("f", "one\ntwo\nthree\nfour"), {}),
      { path: "/w/all/f", fields: [{ field: "content", first: undefined, second: '"four"', offset: 14 }] },
    ],
    ["a file that is new", async () => (await put("e", "new"), {}), { path: "/w/all/e", fields: [{ field: "presence", first: undefined, second: "there" }] }],
    [
      "a file that is gone",
      async () => (await rm(join(root, "context/f")), { dockerfile: DOCKERFILE.replace("COPY f", "COPY d/g") }),
      { path: "/w/all/f", fields: [{ field: "presence", first: "there", second: undefined }] },
    ],
    [
      "a mode",
      async () => ({ dockerfile: DOCKERFILE.replace("COPY f", "COPY --chmod=600 f") }),
      { layer: 2, path: "/w/f", fields: [{ field: "mode", first: "0644", second: "0600" }] },
    ],
    ["a label", async () => ({ labels: { stage: "two" } }), { part: "config", fields: [{ field: "config.Labels.stage", first: '"one"', second: '"two"' }] }],
    [
      "another layer",
      async () => ({ dockerfile: `${DOCKERFILE}WORKDIR /x\n` }),
      { part: "config", fields: expect.arrayContaining([{ field: "number of layers", first: "3", second: "4" }]) as unknown },
    ],
    [
      "a time, of an image that keeps them",
      async () => (await put("f", "one\ntwo\nthree\n", EPOCH + 7), {}),
      { path: "/w/all/f", fields: [{ field: "mtime", first: "2020-09-13T12:26:45Z", second: "2020-09-13T12:26:47Z" }] },
    ],
  ];

  test.each(differences)("%s", async (_name, change, difference) => {
    await make({});
    const options = await change();
    // the context's own folder changes with its files
    await utimes(join(root, "context"), EPOCH, EPOCH);
    expect(await verify(options)).toMatchObject({ identical: false, sameBlobs: false, difference });
  });

  beforeEach(() => utimes(join(root, "context"), EPOCH, EPOCH));
});

test("a path with nothing there, and one with two images", async () => {
  await expect(verify({ image: "./nothing.tar" })).rejects.toThrow("there is no ./nothing.tar");
  const layout = { type: "oci", dest: join(root, "layout"), tar: false, names: [] } as const;
  await build({ ...given(), outputs: [layout] });
  await build({ ...given("FROM scratch\nCOPY f /"), outputs: [layout] });
  await expect(verify({ image: join(root, "layout") })).rejects.toThrow("holds 2 images, one is to be verified");
});

test.each([
  ["2020-09-13T12:26:40Z", ["2020-09-13T12:26:40Z"], EPOCH],
  ["2020-09-13T12:26:40Z", [], EPOCH],
  ["2020-09-13T12:26:40.123Z", ["2020-09-13T12:26:40.123Z"], undefined],
  ["2020-09-13T12:26:40Z", ["2020-09-13T12:26:39Z"], undefined],
  [undefined, [], undefined],
] as const)("created %s after %j was an epoch: %s", (created, history, epoch) => {
  const config = {
    architecture: "amd64",
    os: "linux",
    rootfs: { type: "layers", diff_ids: [] },
    history: history.map((one) => ({ created: one })),
    ...(created === undefined ? {} : { created }),
  } as const;
  expect(epochOfImage({ config })).toBe(epoch);
});
