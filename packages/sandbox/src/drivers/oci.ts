import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { VarveError } from "@varve/errors";
import type { SandboxDriver } from "../driver.ts";
import { ownIdEntry, privilegedEntry, sameIdsEntry, subIdEntry } from "../entries.ts";
import { findHostTool } from "../host-tool.ts";
import { launch, type Launched, type LaunchEnd } from "../launcher/launcher.ts";
import { createProgram, type Program, type ProgramCall } from "../launcher/program.ts";
import { reportExecutions } from "../launcher/report.ts";
import { launcherArch } from "../launcher/system-call.ts";
import { AT_FDCWD } from "../mounting.ts";
import { probeNamespaces } from "../namespace-probe.ts";
import { containerProgram } from "../oci/container-program.ts";
import { containerConfig } from "../oci/spec.ts";
import type { SandboxProcess } from "../sandbox-process.ts";
import { insideProgram, LAUNCHER_INSIDE, type ProcessFeatures } from "../step-program.ts";
import { namespaceDriver } from "./namespace.ts";
import { refuseMountOnDev } from "../unsupported.ts";

/** The faster first. */
const RUNTIMES = ["crun", "runc"];

/** What it shares: a step's process is started by a runtime only. */
const { forked: _, ...shared } = namespaceDriver;

/** The rung `oci`: a container of runc or crun, whichever works. What it isolates, `userns` and `namespace`
 * do too, without the cost of a runtime's start, so it is for those who want a runtime they know. */
export const ociDriver: SandboxDriver = {
  ...shared,
  name: "oci",
  passedOver: () => "userns and namespace isolate as much, and start faster",
  entries: () => (process.geteuid?.() === 0 ? [privilegedEntry(), subIdEntry(), sameIdsEntry()] : [subIdEntry(), ownIdEntry()]),
  async probe(launcher) {
    const features = await probeNamespaces(launcher);
    if (!features.proc) throw new VarveError("SANDBOX_UNAVAILABLE", "/proc cannot be mounted here, which a runtime needs");
    const found = RUNTIMES.flatMap((name) => findHostTool(name) ?? []);
    if (found.length === 0) {
      throw new VarveError("SANDBOX_UNAVAILABLE", "neither crun nor runc is installed", { hint: "install one of them (Debian: apt-get install crun)" });
    }
    const reasons: string[] = [];
    for (const runtime of found) {
      const failure = await tryRuntime(launcher, { ...features, runtime });
      if (failure === undefined) return { ...features, runtime };
      reasons.push(failure);
    }
    throw new VarveError("SANDBOX_UNAVAILABLE", reasons.join("; "), { hint: "another of crun and runc may work here" });
  },
  start(step, { place, stdio, foreground }) {
    refuseMountOnDev(step, "oci");
    const directory = `${Buffer.from(step.root, "latin1").toString("utf8")}.oci`;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const program = startProgram(step, place, { directory, inside: insideProgram(step, place, launcherArch()) });
    return explained(launch({ command: [place.launcher], program, stdio, detached: !foreground }), `${place.runtime ?? ""} in ${step.cwd}`);
  },
};

function startProgram(
  step: SandboxProcess,
  features: ProcessFeatures,
  { directory, inside }: { readonly directory: string; readonly inside: Program },
): Program {
  const arch = launcherArch();
  const args = [`/proc/self/fd/${LAUNCHER_INSIDE}`];
  return containerProgram({
    arch,
    runtime: features.runtime ?? "",
    directory,
    config: containerConfig({ step, features, arch, args }),
    inside,
    step,
    features,
  });
}

/** A step that does nothing. */
const NOTHING: Omit<SandboxProcess, "root"> = {
  args: [],
  env: [],
  cwd: "/",
  user: { uid: 0, gid: 0, groups: [] },
  network: "host",
  insecure: false,
  terminal: false,
  hostname: "probe",
  shmSize: 65_536,
  ulimits: [],
  mounts: [],
};

/** Runs a container in which the launcher makes a device and opens it, which must fail; tells what goes wrong. */
async function tryRuntime(launcher: string, features: ProcessFeatures): Promise<string | undefined> {
  const directory = mkdtempSync(`${tmpdir()}/varve-oci-`);
  try {
    for (const name of ["bundle", "root", "root/dev", "root/proc", "root/sys"]) mkdirSync(`${directory}/${name}`, { mode: 0o755 });
    const root = Buffer.from(`${directory}/root`).toString("latin1") as SandboxProcess["root"];
    const step: SandboxProcess = { ...NOTHING, root };
    const program = startProgram(step, features, { directory: `${directory}/bundle`, inside: openDevice() });
    const { report } = await explained(launch({ command: [launcher], program, stdio: ["ignore", "ignore", "ignore"] }), features.runtime ?? "").ended;
    if (report.failure !== undefined) return `cannot ${report.failure.label}: ${report.failure.code}`;
    if ((report.execute?.[1] ?? -1) >= 0) return `in a container of ${features.runtime ?? ""} devices can be opened that a step makes`;
    return report.status === 0 ? undefined : `a container of ${features.runtime ?? ""} ended with ${report.status ?? "nothing"}`;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function openDevice(): Program {
  const program = createProgram(launcherArch());
  const { results, send } = reportExecutions(program, 2);
  const [made, opened] = results;
  const about = (result: typeof made): ProgramCall => ({ label: "try a device", onError: "ignore", ...(result === undefined ? {} : { result }) });
  program.call(about(made), "mknodat", AT_FDCWD, program.string("/device"), S_IFCHR | 0o600, DEV_NULL);
  program.call(about(opened), "openat", AT_FDCWD, program.string("/device"), 0);
  send();
  return program.finish();
}

const S_IFCHR = 0o020000;
/** 1:3 */
const DEV_NULL = 0x103;

/** A runtime's failure as that of a call; `what` says which. */
function explained(launched: Launched, what: string): Launched {
  const ended = launched.ended.then((end): LaunchEnd => {
    const { runtime: status, failure, data } = end.report;
    if (status === undefined || status === 0 || failure !== undefined) return end;
    const said = lastMessage(
      Buffer.from(data ?? [])
        .toString("utf8")
        .replaceAll("\0", ""),
    );
    return { ...end, report: { ...end.report, failure: { label: `start a container by ${what}`, errno: 0, code: said } } };
  });
  return { ...launched, ended };
}

/** What the last line of a runtime's log says, which is JSON. */
function lastMessage(log: string): string {
  const line = log.trim().split("\n").at(-1) ?? "";
  try {
    return (JSON.parse(line) as { readonly msg?: string }).msg ?? line;
  } catch {
    // cut off
    return line === "" ? "it said nothing" : line;
  }
}
