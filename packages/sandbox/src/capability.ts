import { readFileSync } from "node:fs";

/** Linux capabilities Docker grants to a container (moby `daemon/pkg/oci/caps/defaults.go`), by number. */
export const DEFAULT_CAPABILITIES: readonly number[] = [
  0, // CHOWN
  1, // DAC_OVERRIDE
  3, // FOWNER
  4, // FSETID
  5, // KILL
  6, // SETGID
  7, // SETUID
  8, // SETPCAP
  10, // NET_BIND_SERVICE
  13, // NET_RAW
  18, // SYS_CHROOT
  27, // MKNOD
  29, // AUDIT_WRITE
  31, // SETFCAP
];

/** Numbers above the newest known capability (40, CHECKPOINT_RESTORE) leave room for kernels to come; dropping an unknown one is EINVAL. */
const LAST_CAPABILITY = 63;
let last: number | undefined;

/** The highest number of a capability that this kernel knows, or more where it doesn't tell. */
export function lastCapability(): number {
  return (last ??= readLast());
}

function readLast(): number {
  try {
    const number = Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8"));
    return Number.isSafeInteger(number) && number > 0 && number < LAST_CAPABILITY ? number : LAST_CAPABILITY;
  } catch {
    return LAST_CAPABILITY;
  }
}

/** Names of capabilities by number, as capabilities(7) has them, less `CAP_`. */
const NAMES =
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE".split(
    " ",
  );

/** `CAP_…` of those numbers that have a name. */
export function capabilityNames(numbers: readonly number[]): string[] {
  return numbers.flatMap((number) => NAMES[number] ?? []).map((name) => `CAP_${name}`);
}

/** What mounts and namespaces without a user namespace need. */
export const CAP_SYS_ADMIN = 21;

/** Whether this process may use a capability, in its user namespace. */
export function hasCapability(capability: number): boolean {
  return capabilitySet("CapEff").includes(capability);
}

/** Numbers of the capabilities that this process's children can have at all. */
export function boundingSet(): readonly number[] {
  return capabilitySet("CapBnd");
}

function capabilitySet(field: "CapEff" | "CapBnd"): number[] {
  const hex = new RegExp(`^${field}:\\s*([0-9a-f]+)$`, "m").exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  const bits = BigInt(`0x${hex}`);
  return Array.from({ length: LAST_CAPABILITY + 1 }, (_, number) => number).filter((number) => ((bits >> BigInt(number)) & 1n) === 1n);
}
