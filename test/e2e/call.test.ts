import { afterAll, beforeAll, expect, it } from "vitest";
import { createWorkspace, type Workspace } from "./varve.ts";

const DOCKERFILE = `# VERSION of what is built
ARG VERSION=1.0
# build compiles
FROM scratch AS build
ARG VERSION TOKEN
RUN --mount=type=secret,id=npm,required --mount=type=secret,id=opt --mount=type=ssh true
FROM scratch

# app is what runs
FROM scratch AS app
COPY --from=build / /
`;

let space: Workspace;
let context = "";
beforeAll(async () => {
  space = await createWorkspace();
  context = await space.files("call", { Dockerfile: DOCKERFILE });
});
afterAll(async () => {
  await space[Symbol.asyncDispose]();
});

const call = async (method: string): Promise<string> => (await space.ok(["build", "--call", method, context])).stdout;

it("--call outline prints buildx's tables", async () => {
  expect(await call("outline")).toBe(
    [
      "TARGET:      app",
      "DESCRIPTION: is what runs",
      "",
      "BUILD ARG   VALUE   DESCRIPTION",
      "VERSION     1.0     of what is built",
      "TOKEN               ",
      "",
      "SECRET   REQUIRED",
      "npm      true",
      "opt      ",
      "",
      "SSH       REQUIRED",
      "default   ",
      "",
      "",
    ].join("\n"),
  );
});

it("--call outline,format=json prints BuildKit's JSON", async () => {
  const at = (line: number): object => ({ ranges: [{ start: { line }, end: { line } }] });
  expect(JSON.parse(await call("outline,format=json"))).toEqual({
    name: "app",
    description: "is what runs",
    args: [
      { name: "VERSION", description: "of what is built", value: "1.0", location: at(2) },
      { name: "TOKEN", location: at(5) },
    ],
    secrets: [
      { name: "npm", required: true, location: at(6) },
      { name: "opt", location: at(6) },
    ],
    ssh: [{ name: "default", location: at(6) }],
    sources: [Buffer.from(DOCKERFILE).toString("base64")],
  });
});

it("--call targets prints buildx's table, or BuildKit's JSON", async () => {
  expect(await call("targets")).toBe("TARGET        DESCRIPTION\nbuild         compiles\n              \napp (default) is what runs\n");
  expect(JSON.parse(await call("targets,format=json"))).toMatchObject({
    targets: [
      { name: "build", description: "compiles", base: "scratch" },
      { base: "scratch" },
      { name: "app", default: true, location: { ranges: [{ start: { line: 10 } }] } },
    ],
  });
});

it("an unknown method or field is an error that names it", async () => {
  for (const [method, message] of [
    ["outlines", 'unknown method "outlines"'],
    ["check,fromat=json", 'unknown field "fromat=json"'],
  ] as const) {
    const { code, stderr } = await space.varve(["build", "--call", method, context]);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  }
});
