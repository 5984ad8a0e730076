import type { BytePath } from "@varve/bytes";
import { describe, expect, it } from "vitest";
import { type ContainerSpec, containerConfig } from "./spec.ts";

const path = (text: string): BytePath => Buffer.from(text).toString("latin1") as BytePath;
const SPEC: ContainerSpec = {
  step: {
    root: path("/höme/root"),
    cwd: "/work",
    user: { uid: 33, gid: 44, groups: [55] },
    network: "none",
    insecure: false,
    hostname: "box",
    ulimits: [{ name: "nofile", soft: 10, hard: -1 }],
  },
  features: { proc: true, sysfs: true, mqueue: true, ttyGroup: true, setattr: true, ids: "real", filters: true, fileCapabilities: true },
  arch: "x64",
  args: ["/first"],
};

interface Config {
  readonly process: { readonly user: object; readonly rlimits: object; readonly capabilities: { readonly bounding: readonly string[] } };
  readonly root: object;
  readonly mounts: readonly { readonly destination: string; readonly options: readonly string[] }[];
  readonly linux: {
    readonly namespaces: readonly { readonly type: string }[];
    readonly seccomp?: { readonly syscalls: readonly object[] };
    readonly maskedPaths?: readonly string[];
  };
}
const config = (spec: ContainerSpec): Config => JSON.parse(containerConfig(spec)) as Config;

describe("a container's config", () => {
  it("holds a step's process", () => {
    const made = config(SPEC);
    expect(made.process.user).toEqual({ uid: 33, gid: 44, umask: 0o022, additionalGids: [55] });
    expect(made.root).toEqual({ path: "/höme/root", readonly: false });
    expect(made.linux.namespaces.map(({ type }) => type)).toContain("network");
    expect(made.mounts.map(({ destination }) => destination)).toEqual(["/proc", "/dev", "/dev/mqueue", "/sys"]);
    expect(containerConfig(SPEC)).toContain('{"type":"RLIMIT_NOFILE","soft":10,"hard":18446744073709551615}');
  });

  it("forbids what Docker forbids, unless the step is insecure", () => {
    const { syscalls = [] } = config(SPEC).linux.seccomp ?? {};
    const socket = (value: number): object => ({ names: ["socket"], errnoRet: 1, args: [{ index: 0, value, op: "SCMP_CMP_EQ" }] });
    expect(syscalls.slice(0, 5)).toMatchObject([{ errnoRet: 1 }, { names: ["clone3"], errnoRet: 38 }, socket(38), socket(40), { names: ["clone"] }]);
    expect(config(SPEC).linux.maskedPaths).toContain("/proc/kcore");
    const insecure = config({ ...SPEC, step: { ...SPEC.step, insecure: true } });
    expect(insecure.linux.seccomp).toBeUndefined();
    expect(insecure.linux.maskedPaths).toBeUndefined();
    expect(insecure.process.capabilities.bounding.length).toBeGreaterThanOrEqual(config(SPEC).process.capabilities.bounding.length);
  });

  it("forbids a personality with addresses that are not random, and others that Docker does not know", () => {
    const rules = (config(SPEC).linux.seccomp?.syscalls ?? []) as readonly {
      readonly names: readonly string[];
      readonly args?: readonly { readonly value: number; readonly valueTwo: number }[];
    }[];
    const masks = rules.filter(({ names }) => names.includes("personality")).map(({ args = [] }) => args[0]);
    const isForbidden = (value: number): boolean => masks.some((mask) => (value & (mask?.value ?? 0)) >>> 0 === mask?.valueTwo);
    const bits = Array.from({ length: 32 }, (_, bit) => 2 ** bit);
    expect([0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff].filter(isForbidden)).toEqual([]);
    expect(bits.filter((bit) => !isForbidden(bit))).toEqual([8, 0x2_0000]);
    expect(bits.filter((bit) => !isForbidden(0xffff_ffff - bit))).toEqual([]);
  });

  it("leaves user and filter to the first program where there is one id", () => {
    const one = config({ ...SPEC, features: { ...SPEC.features, ids: "one" } });
    expect(one.process.user).toEqual({ uid: 0, gid: 0, umask: 0o022 });
    expect(one.linux.seccomp).toBeUndefined();
  });
});
