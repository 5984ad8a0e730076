import { readFileSync } from "node:fs";
import type { RunStep } from "./runner.ts";

/** A file that is shown to a step and never enters a layer. */
export interface HostFile {
  readonly target: string;
  readonly content: Uint8Array;
}

/** /etc/hosts and /etc/resolv.conf of a step: the first generated as BuildKit does, the second the host's own. */
export function hostFiles(step: Pick<RunStep, "hostname" | "extraHosts">): HostFile[] {
  const hosts = [
    `127.0.0.1\tlocalhost ${step.hostname}`,
    "::1\tlocalhost ip6-localhost ip6-loopback",
    ...step.extraHosts.map(({ host, address }) => `${address}\t${host}`),
  ];
  return [
    { target: "/etc/hosts", content: Buffer.from(`${hosts.join("\n")}\n`) },
    { target: "/etc/resolv.conf", content: hostResolver() },
  ];
}

function hostResolver(): Uint8Array {
  try {
    return readFileSync("/etc/resolv.conf");
  } catch {
    // a host without one resolves nothing, and neither does the step
    return Buffer.alloc(0);
  }
}

/**
 * With one id, apt finds that it could not change its user and gives up; this keeps it from trying. Mounted where apt's configuration is,
 * so images without apt see nothing of it.
 */
export const APT_CONFIGURATION: HostFile & { readonly directory: string } = {
  directory: "etc/apt/apt.conf.d",
  target: "/etc/apt/apt.conf.d/99varve-one-id",
  content: Buffer.from('APT::Sandbox::User "root";\n'),
};
