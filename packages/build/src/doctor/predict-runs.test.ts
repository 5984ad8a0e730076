import { parseDockerfile } from "@varve/dockerfile";
import type { RungReport } from "@varve/snapshot";
import { describe, expect, it } from "vitest";
import { predictRuns } from "./predict-runs.ts";

const TEXT = `FROM a
RUN make
RUN useradd ada && chown ada /srv
RUN <<EOF
install -d -o ada /data
EOF
USER ada
RUN sudo ls
RUN --network=none true
RUN --security=insecure true
RUN --mount=type=tmpfs,target=/t ["mknod", "/n", "c", "1", "3"]
FROM b
RUN cat /proc/meminfo
`;
const dockerfile = parseDockerfile(TEXT, { file: "Dockerfile" });
const namespaces: RungReport = { name: "namespace", works: true, isolation: "namespaces", mounts: true, ids: "real", losses: [], failed: [] };

/** `line kind: text` of every problem. */
function predict(rung: RungReport | undefined): string[] {
  return predictRuns(dockerfile, rung).flatMap(({ line, problems }) => problems.map(({ kind, text }) => `${line} ${kind}: ${text}`));
}

describe("what RUNs would meet", () => {
  it("is nothing where all ids are", () => {
    expect(predict(namespaces)).toEqual([]);
    expect(predictRuns(dockerfile, namespaces).map(({ line }) => line)).toEqual([2, 3, 4, 8, 9, 10, 11, 13]);
  });

  it("is a single owner with one id", () => {
    expect(predict({ ...namespaces, ids: "one" })).toEqual([
      "3 differs: all files it makes belong to root, whatever owner it gives them",
      "4 differs: all files it makes belong to root, whatever owner it gives them",
      "8 differs: set-id programs have no effect: it cannot become another user",
      "11 differs: device files it makes are left out",
    ]);
  });

  it("is a refused device in a user namespace", () => {
    expect(predict({ ...namespaces, ids: "shifted" })).toEqual(["11 fails: mknod of a device is not permitted in a user namespace"]);
  });

  it("is what needs namespaces where there are none", () => {
    expect(predict({ ...namespaces, isolation: "root directory", mounts: false })).toEqual([
      "9 fails: --network=none needs a sandbox with namespaces",
      "10 fails: --security=insecure needs a sandbox with namespaces",
      "11 differs: its mounts are copies: read-only ones can be written to",
      "13 differs: it may not find its own processes in /proc",
    ]);
  });

  it("is what a container without /proc and mounts lacks", () => {
    const texts = [
      "cat <(date) 2>/dev/fd/2",
      "echo 1 >/dev/fd/2",
      "script -qc tty",
      "--mount=type=cache,target=/c true",
      "--mount=type=cache,sharing=private,target=/c true",
    ];
    const lacking = parseDockerfile(`FROM a\n${texts.map((text) => `RUN ${text}`).join("\n")}\n`, { file: "Dockerfile" });
    const found = predictRuns(lacking, { ...namespaces, isolation: "root directory" });
    expect(found.flatMap(({ line, problems }) => problems.map(({ kind, text }) => `${line} ${kind}: ${text}`))).toEqual([
      "2 fails: there is no /proc to open further descriptors through: <(…), >(…) and /dev/fd are not there",
      "4 fails: there is no /dev/ptmx: it cannot make a terminal",
      "5 differs: a cache that it shares with other steps is used by one at a time",
    ]);
  });

  it("is failure where there is no sandbox", () => {
    expect(predict(undefined)).toHaveLength(8);
  });
});
