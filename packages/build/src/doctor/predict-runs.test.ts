import { parseDockerfile } from "@varve/dockerfile";
import type { RungReport } from "@varve/snapshot";
import { describe, expect, it } from "vitest";
import { predictRuns } from "./predict-runs.ts";

const TEXT = `FROM a AS first
RUN make
RUN useradd ada && chown ada /srv
RUN <<EOF
install -d -o ada /data
EOF
USER ada
RUN sudo ls
RUN --network=none true
RUN --security=insecure true
RUN --mount=type=tmpfs,target=/t,size=1m ["mknod", "/n", "c", "1", "3"]
FROM First
RUN cat /proc/meminfo; hostname
FROM b
RUN setcap cap_net_raw+ep /bin/ping; mknod /fifo p; groupadd x
RUN --mount=type=secret,id=s --mount=type=ssh --mount=type=tmpfs,target=/t --mount=type=cache,target=/c true
RUN --mount=target=/b --mount=target=/b2,rw --mount=type=cache,target=/c,ro true
RUN adduser bob
RUN --mount=type=secret,id=s,env=S true
`;
const dockerfile = parseDockerfile(TEXT, { file: "Dockerfile" });
const powers = { fileCapabilities: true, readonlyMounts: true, secretsInMemory: true };
const namespaces: RungReport = { name: "namespace", works: true, isolation: "namespaces", mounts: true, ids: "real", powers, losses: [], failed: [] };

/** `line kind: text` of every problem. */
function predict(rung: RungReport | undefined): string[] {
  return predictRuns(dockerfile, rung).flatMap(({ line, problems }) => problems.map(({ kind, text }) => `${line} ${kind}: ${text}`));
}

describe("what RUNs would meet", () => {
  it("is nothing where all ids are", () => {
    expect(predict(namespaces)).toEqual([]);
    expect(predictRuns(dockerfile, namespaces).map(({ line }) => line)).toEqual([2, 3, 4, 8, 9, 10, 11, 13, 15, 16, 17, 18, 19]);
  });

  const others = "may differ: files of other users are not kept from it: all are its own while it runs";
  it("is a single owner with one id", () => {
    expect(predict({ ...namespaces, ids: "one" })).toEqual([
      "3 differs: owners it gives are not kept: what it makes belongs to root",
      "4 differs: owners it gives are not kept: what it makes belongs to root",
      "8 differs: set-id programs have no effect: it cannot become another user",
      ...[8, 9, 10, 11].map((line) => `${line} ${others}`),
      "11 differs: device files it makes are left out",
      `13 ${others}`,
      "18 may differ: home directories it makes belong to root",
    ]);
  });

  it("is a refused device in a user namespace", () => {
    expect(predict({ ...namespaces, ids: "shifted" })).toEqual(["11 fails: mknod of a device is not permitted in a user namespace"]);
  });

  it("is what needs namespaces where there are none", () => {
    const bare = { fileCapabilities: false, readonlyMounts: false, secretsInMemory: false };
    expect(predict({ ...namespaces, isolation: "root directory", mounts: false, powers: bare })).toEqual([
      "9 fails: --network=none needs a sandbox with namespaces",
      "10 fails: --security=insecure needs a sandbox with namespaces",
      "11 may differ: the size of its tmpfs is not limited",
      "13 may differ: there is no /proc",
      "13 may differ: the host name is that of the container around it",
      "15 fails: capabilities cannot be given to files without CAP_SETFCAP",
      "16 may differ: its secret is on the disk while it runs; if all is killed at once, until the next build",
      "16 may differ: a cache that it shares with other steps is used by one at a time",
      "17 may differ: what it writes to a mount that is read-only is thrown away, not refused",
      "17 may differ: what it writes to a mount that is read-only is thrown away, not refused",
    ]);
  });

  it("is what proot pretends", () => {
    const proot = { ...namespaces, isolation: "none", mounts: false, powers: { ...powers, fileCapabilities: false } } as const;
    expect(predict(proot).filter((line) => /^(13|15|16|17)/.test(line))).toEqual([
      "13 may differ: /proc shows the processes of the container around it",
      "13 may differ: the host name is that of the container around it",
      "15 differs: capabilities it gives to files are not kept",
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
      "5 may differ: a cache that it shares with other steps is used by one at a time",
    ]);
  });

  it("is failure where there is no sandbox", () => {
    expect(predict(undefined)).toHaveLength(13);
  });
});
