import { lstatSync, mkdirSync, chmodSync } from "node:fs";
import { dirname } from "node:path";
import { type BytePath, displayPath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { Place, SandboxDriver, SandboxMount } from "@varve/sandbox";
import { bytesOfHostPath, hostPath } from "../../host-path.ts";
import { runStep, type StepEnd, type StepProcess } from "../step.ts";
import type { StepIO } from "../step-root.ts";
import { awaitClockAfter } from "./clock.ts";
import { copyDirectory } from "./copy-directory.ts";
import { makeDeviceDirectory } from "./device-directory.ts";
import type { FileRecord } from "./file-record.ts";
import { recordRoot } from "./flat-walk.ts";
import { makeTargets } from "./mount-targets.ts";
import type { Placements } from "./placements.ts";
import { below, statBelow } from "./real-path.ts";
import { guardSecrets } from "./secret-guard.ts";
import { separateLinks } from "./separate-links.ts";
import type { Unlocked } from "./unlocked.ts";

/** Where {@link runFlatStep} runs a step. */
export interface FlatStepOptions {
  readonly driver: SandboxDriver;
  readonly place: Place;
  /** The step's own, on the file system of the root. */
  readonly directory: string;
  readonly root: BytePath;
  readonly placements: Placements;
  readonly unlocked: Unlocked;
  readonly cacheMounts: string;
  readonly memory?: string | undefined;
  /** Complete when `isKnown`, else empty; complete, and true of the moment before the step, when this settles. */
  readonly record: FileRecord;
  readonly isKnown: boolean;
}

const LINKED = "files of earlier steps that have several names are too large to be copied: what changes one name changes the others";

type Bind = SandboxMount & { readonly kind: "bind" };

/** Runs a step in a flat root: its mounts are put there, or shown by the driver, and nothing of them is left when this settles. */
export async function runFlatStep(step: StepProcess, io: StepIO, options: FlatStepOptions): Promise<StepEnd> {
  const { driver, place, directory, root, placements, unlocked, record } = options;
  const { launcher } = place;
  const dev = `${directory}/dev`;
  try {
    if (!options.isKnown) await recordRoot({ root, after: record, unlocked, spool: directory, signal: io.signal });
    unlocked.relock(record);
    const isSeparate = await separateLinks({ root, record, directory, launcher, ids: place.ids, signal: io.signal });
    await makeDeviceDirectory(launcher, dev, driver.placed !== true);
    const own = ownMounts(directory, dev, driver);
    const mounts = await bindsOf(step.mounts, io.signal, options);
    const guard = guardSecrets(
      launcher,
      // what is emptied is the step's own, never a file of the host that is shown to it
      mounts.flatMap(({ source }) => (isOwn(source, options) && lstatSync(hostPath(source)).isFile() ? [hostPath(source)] : [])),
    );
    try {
      for (const mount of driver.placed === true ? [...own, ...mounts] : own) placements.place(mount);
      if (driver.placed !== true)
        for (const mount of mounts)
          if (isOwn(mount.source, options) || isCache(mount.source, options)) placements.watch(mount.source, isCache(mount.source, options));
      if (driver.placed !== true) makeTargets([...own.map((mount) => ({ ...mount, source: below(root, mount.target) })), ...mounts]);
      refresh(record, root, placements.touched);
      record.forgetSince(await awaitClockAfter(record.newest(), directory));
      const end = await runStep(
        { ...step, mounts: driver.placed === true ? [] : mounts },
        {
          ...io,
          driver,
          place,
          directory,
          root: rootText(root),
          ...(driver.placed === true && io.inherit === undefined
            ? { pipeNames: [`${rootText(root)}/dev/stdout`, `${rootText(root)}/dev/stderr`] as const }
            : {}),
        },
      );
      return isSeparate ? end : { ...end, losses: [LINKED] };
    } finally {
      await guard.empty();
    }
  } finally {
    placements.undo();
  }
}

/** What is placed whatever the driver can: /dev; and, where that shows nothing, /proc and /sys, so that what is written there is no change. */
function ownMounts(directory: string, dev: string, driver: SandboxDriver): Bind[] {
  const mount = (target: string, source: string): Bind => ({
    kind: "bind",
    type: "directory",
    make: 0,
    readonly: false,
    target: target as BytePath,
    source: bytesOfHostPath(source),
  });
  if (driver.placed !== true) return [mount("dev", dev)];
  const empty = ["proc", "sys"].map((name) => {
    mkdirSync(`${directory}/${name}`);
    chmodSync(`${directory}/${name}`, 0o555);
    return mount(name, `${directory}/${name}`);
  });
  return [mount("dev", dev), ...empty];
}

/** Whether it is in this process's working folder, which a step's own lies in, or in its memory. */
function isOwn(source: BytePath, { directory, memory }: Pick<FlatStepOptions, "directory" | "memory">): boolean {
  return [dirname(directory), memory].some((folder) => folder !== undefined && source.startsWith(`${bytesOfHostPath(folder)}/`));
}

function isCache(source: BytePath, { cacheMounts }: Pick<FlatStepOptions, "cacheMounts">): boolean {
  return source.startsWith(`${bytesOfHostPath(cacheMounts)}/`);
}

/** A step's mounts, with an empty directory for each tmpfs, and a copy to be thrown away of each cache that must stay as it is and cannot be kept from being written to. */
async function bindsOf(mounts: readonly SandboxMount[], signal: AbortSignal, options: FlatStepOptions): Promise<Bind[]> {
  const { driver, place, directory } = options;
  const canRefuse = driver.placed !== true && (place.landlock ?? 0) > 0;
  const binds: Bind[] = [];
  for (const [i, mount] of mounts.entries()) {
    if (mount.kind === "tmpfs") {
      const source = `${directory}/tmpfs-${i}`;
      mkdirSync(source);
      chmodSync(source, 0o1777);
      const { target, type, make } = mount;
      binds.push({ kind: "bind", target, type, make, source: bytesOfHostPath(source), readonly: false });
      continue;
    }
    if (isOwn(mount.source, options) || (mount.readonly && canRefuse)) binds.push(mount);
    else if (isCache(mount.source, options) && mount.readonly) {
      const source = bytesOfHostPath(`${directory}/cache-${i}`);
      await copyDirectory(mount.source, source, { ids: place.ids, signal });
      binds.push({ ...mount, source });
    } else if (isCache(mount.source, options)) binds.push(mount);
    // what is placed is moved, and thrown away after
    else if (driver.placed === true) throw new VarveError("SANDBOX_SETUP_FAILED", `what is mounted on /${displayPath(mount.target)} is not the step's own`);
    else if (mount.readonly) throw refusedReadonly(mount, driver);
    else binds.push(mount);
  }
  return binds;
}

/** The step could write to the host's own files. */
function refusedReadonly({ target }: Bind, driver: SandboxDriver): VarveError {
  return new VarveError("SANDBOX_UNSUPPORTED", `what is shown at /${displayPath(target)} cannot be kept from being written to by the sandbox ${driver.name}`, {
    hint: "copy it into the image, use a sandbox that can mount, or let it be written to (without :ro)",
  });
}

function refresh(record: FileRecord, root: BytePath, paths: Iterable<BytePath>): void {
  for (const path of paths) {
    const stat = statBelow(root, path);
    if (stat !== undefined) record.set(path, stat);
  }
}

function rootText(root: BytePath): string {
  return Buffer.from(root, "latin1").toString("utf8");
}
