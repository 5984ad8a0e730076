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
export const LAST_CAPABILITY = 63;

/** What mounts and namespaces without a user namespace need. */
export const CAP_SYS_ADMIN = 21;

/** Whether this process may use a capability, in its user namespace. */
export function hasCapability(capability: number): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return ((BigInt(`0x${effective}`) >> BigInt(capability)) & 1n) === 1n;
}
