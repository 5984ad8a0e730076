import { boundingSet, CAP_SYS_ADMIN, capabilityNames, DEFAULT_CAPABILITIES } from "../capability.ts";
import { ALLOWED_PERSONALITIES, CLONE, CLONE3, DENIED_CALLS, DENIED_FAMILIES, NAMESPACE_FLAGS, PERSONALITY, SOCKET } from "../denied-call.ts";
import type { LauncherArch } from "../launcher/system-call.ts";
import { resourceLimitNumber } from "../resource-limit.ts";
import type { SandboxProcess } from "../sandbox-process.ts";
import { directoryBytes, type ProcessFeatures } from "../step-program.ts";
import { MASKED_DIRECTORIES, MASKED_PROC_FILES, READONLY_PROC } from "../world.ts";

/** What a container executes, and for whom. */
export interface ContainerSpec {
  readonly step: Pick<SandboxProcess, "root" | "cwd" | "user" | "network" | "insecure" | "hostname" | "ulimits">;
  readonly features: ProcessFeatures;
  readonly arch: LauncherArch;
  /** The container's first program. */
  readonly args: readonly string[];
}

const HARMLESS = ["nosuid", "noexec", "nodev"];
/** RLIM_INFINITY, which no JavaScript number is: written into the text. */
const UNLIMITED = "18446744073709551615";

/**
 * A container's config.json, OCI runtime spec 1.0. Where there is one id, the container's first program takes the user, drops capabilities and installs the
 * filter, since a runtime needs 0 to be mapped: then it is given what it needs for that.
 */
export function containerConfig(spec: ContainerSpec): string {
  const { step, features, args } = spec;
  const one = features.ids === "one";
  const { uid, gid, groups } = step.user;
  const config = {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: one ? { uid: 0, gid: 0, umask: 0o022 } : { uid, gid, umask: 0o022, ...(groups.length === 0 ? {} : { additionalGids: groups }) },
      args,
      env: ["PATH=/bin"],
      cwd: textOf(directoryBytes(step.cwd)),
      capabilities: capabilitiesOf(spec),
      rlimits: step.ulimits.map(({ name, soft, hard }) => {
        resourceLimitNumber(name);
        return { type: `RLIMIT_${name.toUpperCase()}`, soft: limitText(soft), hard: limitText(hard) };
      }),
      noNewPrivileges: false,
    },
    root: { path: textOf(step.root), readonly: false },
    hostname: step.hostname,
    mounts: ownMounts(spec),
    linux: {
      namespaces: ["pid", "ipc", "uts", "mount", ...(step.network === "none" ? ["network"] : [])].map((type) => ({ type })),
      ...(step.insecure || one || !features.filters ? {} : { seccomp: seccompOf(spec.arch) }),
      ...(step.insecure
        ? {}
        : {
            maskedPaths: [...MASKED_PROC_FILES.map((name) => `/proc/${name}`), ...MASKED_DIRECTORIES.map((path) => `/${path}`)],
            readonlyPaths: READONLY_PROC.map((name) => `/proc/${name}`),
          }),
    },
  };
  return JSON.stringify(config).replaceAll(`"${UNLIMITED}"`, UNLIMITED);
}

function limitText(value: number): number | string {
  return value < 0 ? UNLIMITED : value;
}

function capabilitiesOf({ step, features }: ContainerSpec): Readonly<Record<string, readonly string[]>> {
  const wanted = step.insecure ? undefined : features.ids === "one" ? [...DEFAULT_CAPABILITIES, CAP_SYS_ADMIN] : DEFAULT_CAPABILITIES;
  // a runtime fails at one that is not to be had
  const names = capabilityNames(boundingSet().filter((number) => wanted?.includes(number) ?? true));
  return { bounding: names, effective: names, permitted: names };
}

function ownMounts({ step, features }: ContainerSpec): object[] {
  const mount = (destination: string, type: string, options: readonly string[]): object => ({ destination, type, source: type, options });
  const readonly = step.insecure ? [] : ["ro"];
  return [
    mount("/proc", "proc", HARMLESS),
    // as it is: a runtime would make it of nodes, on which a step could make its own, since there are no control groups to forbid them
    { destination: "/dev", type: "bind", source: textOf(`${step.root}/dev`), options: ["rbind", "rw"] },
    ...(features.mqueue ? [mount("/dev/mqueue", "mqueue", HARMLESS)] : []),
    features.sysfs || step.network === "none"
      ? mount("/sys", "sysfs", [...HARMLESS, ...readonly])
      : { destination: "/sys", type: "none", source: "/sys", options: ["rbind", ...HARMLESS, "ro"] },
  ];
}

/** Docker's rules as a list of what is forbidden; names a kernel or a runtime does not know have no effect. */
function seccompOf(arch: LauncherArch): object {
  const [EPERM, ENOSYS] = [1, 38];
  const flags = Array.from({ length: 32 }, (_, bit) => 2 ** bit).filter((flag) => (NAMESPACE_FLAGS & flag) !== 0);
  return {
    defaultAction: "SCMP_ACT_ALLOW",
    architectures: arch === "x64" ? ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"] : ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
    syscalls: [
      { names: DENIED_CALLS.map(([name]) => name), action: "SCMP_ACT_ERRNO", errnoRet: EPERM },
      { names: [CLONE3[0]], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS },
      ...DENIED_FAMILIES.map((family) => forbidden(SOCKET[0], { value: family, op: "SCMP_CMP_EQ" })),
      ...flags.map((flag) => forbidden(CLONE[0], { value: flag, valueTwo: flag, op: "SCMP_CMP_MASKED_EQ" })),
      ...otherPersonalities().map(([mask, bits]) => forbidden(PERSONALITY[0], { value: mask, valueTwo: bits, op: "SCMP_CMP_MASKED_EQ" })),
    ],
  };
}

/** A rule for a call whose first argument decides; several for one call are alternatives. */
function forbidden(name: string, argument: { readonly value: number; readonly valueTwo?: number; readonly op: string }): object {
  return { names: [name], action: "SCMP_ACT_ERRNO", errnoRet: 1, args: [{ index: 0, ...argument }] };
}

/**
 * All values of 32 bits but {@link ALLOWED_PERSONALITIES}, as masks and what is left below them, since a rule can't name an exception: any
 * with a bit set beside those allowed, and one that is not.
 */
function otherPersonalities(): readonly (readonly [mask: number, bits: number])[] {
  const all = 0xffff_ffff;
  const allowed = ALLOWED_PERSONALITIES.filter((value) => value !== all).reduce((bits, value) => bits | value, 0);
  const bits = Array.from({ length: 32 }, (_, bit) => 2 ** bit);
  const others = bits.filter((bit) => (allowed & bit) === 0);
  const free = bits.filter((bit) => (allowed & bit) !== 0);
  return [
    ...others.map((bit, i) => [bit + (others[(i + 1) % others.length] ?? 0), bit] as const),
    ...free.map((bit) => [(others[0] ?? 0) + bit, others[0] ?? 0] as const),
  ];
}

/** Bytes as JSON can hold them. */
function textOf(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}
