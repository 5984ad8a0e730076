import { parseDockerfile } from "@varve/dockerfile";
import { isVarveError } from "@varve/errors";
import fc from "fast-check";
import { expect, it } from "vitest";
import { inputsOf, type Plan, planBuild, type PlanOptions, requiredBases, type ResolvedBase } from "./index.ts";

const word = fc.constantFrom("a", "b", "$A", "${B:-x}", "'q'", '"$A b"', "/x/", "..", "a$", "${", "$A/$B", "é", "__proto__");
const name = fc.constantFrom("A", "B", "constructor", "__proto__", "PATH");
const stage = fc.constantFrom("one", "two", "three", "scratch", "base", "0", "1");
const instruction = fc.oneof(
  fc.tuple(fc.constantFrom("ENV", "LABEL"), name, word).map(([keyword, key, value]) => `${keyword} ${key}=${value}`),
  fc.tuple(name, word).map(([key, value]) => `ARG ${key}=${value}`),
  name.map((key) => `ARG ${key}`),
  fc
    .tuple(
      fc.constantFrom(
        "WORKDIR",
        "USER",
        "VOLUME",
        "EXPOSE",
        "STOPSIGNAL",
        "RUN",
        "CMD",
        "ENTRYPOINT",
        "COPY x",
        "ADD https://h/x",
        "COPY --chown=$A x",
        "COPY --link x",
        "ONBUILD RUN",
        "ONBUILD COPY --from=two x",
      ),
      word,
    )
    .map(([keyword, value]) => `${keyword} ${value}`),
  stage.map((from) => `COPY --from=${from} a b`),
  fc.tuple(stage, word).map(([from, target]) => `RUN --mount=from=${from},target=${target} x`),
  fc.constantFrom("RUN <<E\n$A\nE", "COPY <<E /x\n$A ${B}\nE", 'SHELL ["/s"]', "HEALTHCHECK NONE", "EXPOSE 80-82/udp 9"),
);
const file = fc
  .array(
    fc.record({ from: stage.filter((from) => !/\d/.test(from)), as: fc.constantFrom("one", "two", "three"), body: fc.array(instruction, { maxLength: 6 }) }),
    { minLength: 1, maxLength: 4 },
  )
  .map((stages) => stages.map(({ from, as, body }) => [`FROM ${from} AS ${as}`, ...body].join("\n")).join("\n"));

function deepFreeze(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const member of Object.values(value)) deepFreeze(member);
}

function planOf(text: string): Plan | undefined {
  try {
    const dockerfile = parseDockerfile(text);
    const options: PlanOptions = {
      buildArgs: { A: "given" },
      buildPlatform: { os: "linux", architecture: "amd64" },
      labels: {},
      namedContexts: { three: "./dir" },
      network: "default",
    };
    const base: ResolvedBase = {
      digest: "sha256:00",
      config: { os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [] }, config: { Env: ["B=base"], OnBuild: ["ENV T=$A"] } },
    };
    deepFreeze([dockerfile, options, base]);
    let bases: Record<string, ResolvedBase> = {};
    for (;;) {
      const required = requiredBases(dockerfile, options, bases);
      if (required.every(({ key }) => key in bases)) return planBuild(dockerfile, options, bases);
      bases = Object.fromEntries(required.map(({ key }) => [key, base]));
    }
  } catch (error) {
    if (isVarveError(error)) return undefined;
    throw error;
  }
}

it("plans any file or refuses it with a VarveError, the same each time, as JSON, inputs first", () => {
  let planned = 0;
  fc.assert(
    fc.property(file, (text) => {
      const made = planOf(text);
      if (made === undefined) return;
      planned++;
      expect(planOf(text)).toEqual(made);
      expect(JSON.parse(JSON.stringify(made))).toEqual(made);
      const seen = new Set<string>();
      for (const vertex of made.vertices) {
        expect(seen).not.toContain(vertex.id);
        for (const input of inputsOf(vertex)) expect(seen).toContain(input);
        seen.add(vertex.id);
      }
      const used = new Set([made.result, ...made.vertices.flatMap(inputsOf)]);
      expect([...seen].filter((id) => !used.has(id))).toEqual([]);
      expect(made.history.flatMap(({ vertex, entry }) => (entry.empty_layer === true ? [] : vertex))).toEqual(made.layers);
      expect(new Set(made.config.config?.Env?.map((pair) => pair.split("=", 1)[0])).size).toBe(made.config.config?.Env?.length);
    }),
    { numRuns: 200 },
  );
  // a generator that only makes refused files would show nothing
  expect(planned).toBeGreaterThan(20);
});
