import { Socket } from "node:net";
import { mkdirSync } from "node:fs";
import { LADDER, type SandboxDriver, type UserNamespace, userNamespace } from "@varve/sandbox";
import { VarveError } from "@varve/errors";
import { createChannel, type IncomingCall } from "../channel/channel.ts";
import { CHANNEL, type OpenParams, type OpenResult } from "./helper-call.ts";
import type { OverlayFeatures } from "./overlay.ts";
import { probeOverlay } from "./overlay-probe.ts";
import { createExtraMaker } from "./step-extras.ts";
import { createWorkbench, type Workbench } from "./workbench.ts";
import { openWorkspace, type Workspace } from "./workspace.ts";

// The helper process: one a build, started by the main process inside the namespaces of a rung. Its descriptors are
// those of helper-call.ts. It ends when the channel closes, and everything it started with it.

let workbench: Workbench | undefined;

async function open(params: OpenParams): Promise<OpenResult> {
  const driver = LADDER.find((candidate) => candidate.name === params.driver);
  if (driver === undefined) throw new VarveError("SANDBOX_UNAVAILABLE", `there is no sandbox ${JSON.stringify(params.driver)}`);
  mkdirSync(params.directory, { recursive: true, mode: 0o700 });
  const form = await openForm(params.directory, driver);
  workbench = createWorkbench(
    form.workspace,
    driver,
    form.place,
    form.overlay,
    await createExtraMaker({ workspace: form.workspace, cacheMounts: `${params.cacheMounts}/${form.name}`, ids: form.place.ids }),
  );
  const memory =
    form.overlay.memory === undefined ? [] : ["what the step changes is kept in memory: the data directory's file system cannot be written to by an overlay"];
  return { losses: [...driver.losses(form.place), ...memory], ids: form.place.ids, whiteouts: form.overlay.whiteouts };
}

/** Snapshots whose files have other owners, or marks of another kind, don't mix. */
function formOf(ids: UserNamespace): string {
  return ids.ids === "shifted" ? `shifted-${ids.outside.join("-")}` : ids.ids;
}

async function openForm(
  directory: string,
  driver: SandboxDriver,
): Promise<{
  readonly name: string;
  readonly workspace: Workspace;
  readonly place: Parameters<typeof createWorkbench>[2];
  readonly overlay: OverlayFeatures;
}> {
  const name = formOf(userNamespace());
  const workspace = await openWorkspace(directory, name);
  try {
    const features = await driver.probe(workspace.launcher);
    const overlay = await probeOverlay(workspace, !userNamespace().initial);
    return { name, workspace, place: { ...features, launcher: workspace.launcher }, overlay };
  } catch (error) {
    await workspace.dispose();
    throw error;
  }
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
await channel.closed;
await leave();
