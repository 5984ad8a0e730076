import type { Diagnosis } from "@varve/build";
import { describe, expect, it } from "vitest";
import { diagnosisText } from "./diagnosis-text.ts";

const host = { kernel: "6.1.0", architecture: "x64", node: "v20.19.0", uid: 1000 };
const userns: Diagnosis["rungs"][number] = {
  name: "userns",
  works: false,
  isolation: "namespaces",
  mounts: true,
  losses: [],
  failed: [
    { way: "in a user namespace with the ids of /etc/subuid", reason: "newuidmap is not installed", remedy: "install it (Debian: apt-get install uidmap)" },
  ],
};
const namespace: Diagnosis["rungs"][number] = {
  name: "namespace",
  works: true,
  isolation: "namespaces",
  mounts: true,
  ids: "one",
  way: "in a user namespace with one id",
  losses: ["owners are not kept"],
  failed: [],
};
const chroot = { name: "chroot", works: true, isolation: "root directory", mounts: false, ids: "real", losses: ["there is no /proc"], failed: [] } as const;

describe("a diagnosis as text", () => {
  it("tells what is taken, what is stronger and what is weaker", () => {
    const diagnosis: Diagnosis = { host, rungs: [userns, namespace, chroot, { ...chroot, name: "none", works: false }], chosen: "namespace" };
    expect(diagnosisText(diagnosis)).toBe(`kernel 6.1.0 x64, Node v20.19.0, uid 1000

RUN works here, in the sandbox namespace.
  isolates   files, processes, IPC and host name by namespaces; capabilities and
             system calls as in Docker
  owners     one: all files belong to the step's user while it runs
  entered    in a user namespace with one id
  but        owners are not kept

Stronger ones:
  userns     in a user namespace with the ids of /etc/subuid: newuidmap is not
             installed
             → install it (Debian: apt-get install uidmap)

Weaker ones:
  chroot     works; isolates nothing but the root directory: RUN is code
             execution as you; there is no /proc
`);
  });

  it("tells what steps would meet, and stays within 80 columns", () => {
    const problems = [{ kind: "differs", text: "all files it makes belong to root, whatever owner it gives them" }] as const;
    const steps = [
      { line: 3, instruction: `RUN useradd ${"x".repeat(90)}`, problems },
      { line: 4, instruction: "RUN make", problems: [] },
    ];
    const text = diagnosisText({ host, rungs: [namespace], chosen: "namespace", dockerfile: { file: "Dockerfile", steps } });
    expect(text).toContain("Dockerfile: 2 RUNs, run by namespace; 1 as Docker would\n     3 │ RUN useradd xxx");
    expect(text).toContain("\n       │   differs: all files it makes");
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
  });

  it("tells that nothing works", () => {
    const steps = [{ line: 3, instruction: "RUN make", problems: [{ kind: "fails", text: "no sandbox" }] }] as const;
    const text = diagnosisText({ host, rungs: [userns], dockerfile: { file: "Dockerfile", steps } });
    expect(text).toContain("RUN does not work here.");
    expect(text).toContain("Dockerfile: 1 RUN, which must come from the cache\n");
  });
});
