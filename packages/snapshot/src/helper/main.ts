import { Socket } from "node:net";
import { mkdirSync } from "node:fs";
import { LADDER, type SandboxDriver, type UserNamespace, userNamespace } from "@varve/sandbox";
import { VarveError } from "@varve/errors";
import { createChannel, type IncomingCall } from "../channel/channel.ts";
import { CHANNEL, type OpenParams, type OpenResult } from "./helper-call.ts";
import { makeDeviceDirectory } from "./flat/device-directory.ts";
import { createFlatRoots } from "./flat/flat-roots.ts";
import { probeOverlay } from "./overlay-probe.ts";
import { createOverlayRoots } from "./overlay-roots.ts";
import { isInMemory, makeMemoryDirectory } from "./memory-directory.ts";
import { createExtraMaker } from "./step-extras.ts";
import { createWorkbench, type Workbench, type WorkbenchParts } from "./workbench.ts";
import { openWorkspace, type Workspace } from "./workspace.ts";

// The helper process: one a build, started by the main process inside the namespaces of a rung. Its descriptors are
// those of helper-call.ts. It ends when the channel closes, and everything it started with it.

let workbench: Workbench | undefined;

async function open(params: OpenParams): Promise<OpenResult> {
  const driver = LADDER.find((candidate) => candidate.name === params.driver);
  if (driver === undefined) throw new VarveError("SANDBOX_UNAVAILABLE", `there is no sandbox ${JSON.stringify(params.driver)}`);
  mkdirSync(params.directory, { recursive: true, mode: 0o700 });
  const form = driver.snapshot === "flat" ? driver.name : formOf(userNamespace());
  const workspace = await openWorkspace(params.directory, form);
  try {
    const opened = await (driver.snapshot === "flat" ? openFlat : openOverlay)({ workspace, driver, form, params });
    workbench = createWorkbench({ workspace, ...opened });
    const { roots: _roots, extras: _extras, ...result } = opened;
    return result;
  } catch (error) {
    await workspace.dispose();
    throw error;
  }
}

/** Snapshots whose files have other owners, or marks of another kind, don't mix. */
function formOf(ids: UserNamespace): string {
  return ids.ids === "shifted" ? `shifted-${ids.outside.join("-")}` : ids.ids;
}

interface Opening {
  readonly workspace: Workspace;
  readonly driver: SandboxDriver;
  readonly form: string;
  readonly params: OpenParams;
}
type Opened = Omit<WorkbenchParts, "workspace"> & OpenResult;

async function openOverlay({ workspace, driver, form, params }: Opening): Promise<Opened> {
  const features = await driver.probe(workspace.launcher, workspace.work);
  const { ids } = features;
  const overlay = await probeOverlay(workspace, !userNamespace().initial);
  const extras = await createExtraMaker({ workspace, cacheMounts: `${params.cacheMounts}/${form}`, ids, mounts: true });
  const roots = createOverlayRoots(workspace, driver, { ...features, launcher: workspace.launcher }, overlay);
  const memory =
    overlay.memory === undefined ? [] : ["what the step changes is kept in memory: the data directory's file system cannot be written to by an overlay"];
  const powers = { fileCapabilities: features.fileCapabilities, readonlyMounts: true, secretsInMemory: true };
  return { roots, extras, ids, ...powers, losses: [...driver.losses(features), ...memory], whiteouts: overlay.whiteouts, keeps: overlay.memory === undefined };
}

async function openFlat({ workspace, driver, params }: Opening): Promise<Opened> {
  const features = await driver.probe(workspace.launcher, workspace.work);
  const { ids } = features;
  // caches of rungs that give files the same owners are the same
  const cacheMounts = `${params.cacheMounts}/${ids}`;
  // what is moved into a root is on the root's disk
  const memory = driver.placed === true ? undefined : makeMemoryDirectory(workspace.id);
  const extras = await createExtraMaker({ workspace, cacheMounts, ids, mounts: false, placed: driver.placed === true, memory });
  const roots = createFlatRoots({ workspace, driver, place: { ...features, launcher: workspace.launcher }, cacheMounts, memory });
  const devices = driver.placed !== true || (await makeDeviceDirectory(workspace.launcher, `${workspace.work}/dev`, false));
  const losses = [...driver.losses(features), ...(devices ? [] : ["devices cannot be made here: those in /dev are empty files"])];
  const powers = {
    fileCapabilities: features.fileCapabilities,
    readonlyMounts: (features.landlock ?? 0) > 0,
    secretsInMemory: memory !== undefined || isInMemory(workspace.work),
  };
  return { roots, extras, ids, ...powers, losses, whiteouts: false, keeps: false };
}

async function answer(call: IncomingCall): Promise<unknown> {
  if (call.method === "open") return await open(call.params as OpenParams);
  if (workbench === undefined) throw new VarveError("SANDBOX_HELPER_FAILED", "the helper process is not open yet");
  return await workbench.answer(call);
}

async function leave(): Promise<void> {
  // cleaning up must not outlive whoever waits for this process; what is left is swept by the next build
  setTimeout(() => process.exit(1), 20_000).unref();
  try {
    await workbench?.dispose();
  } finally {
    process.exit(0);
  }
}

// the main process decides what an interrupt means and closes the channel
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const) process.on(signal, () => {});
process.umask(0);
const channel = createChannel(new Socket({ fd: CHANNEL, readable: true, writable: true }), answer);
// not awaited at the top: a CommonJS program, which Node starts sooner, cannot
void channel.closed.then(leave);
