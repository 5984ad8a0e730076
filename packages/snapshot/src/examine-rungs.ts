import { VarveError } from "@varve/errors";
import type { IOOptions } from "@varve/oci";
import { type Ids, LADDER, type SandboxDriver } from "@varve/sandbox";
import { checkCommonNeeds } from "./common-needs.ts";
import type { RungPowers } from "./helper/helper-call.ts";
import { type FailedWay, type HelperSurroundings, tryHelper } from "./helper-process.ts";

/** What a rung is good for here. */
export interface RungReport {
  readonly name: string;
  readonly works: boolean;
  readonly isolation: SandboxDriver["isolation"];
  /** Whether RUN's mounts are mounts, and not copies put in place. */
  readonly mounts: boolean;
  /** How it was entered. */
  readonly way?: string;
  readonly ids?: Ids;
  readonly powers?: RungPowers;
  /** What it cannot do here as Docker would, one sentence each. */
  readonly losses: readonly string[];
  /** Why it is not taken unless asked for by name, though it works. */
  readonly passedOver?: string;
  /** What was tried and failed, in order. */
  readonly failed: readonly FailedWay[];
}

/** Tries every rung, strongest first, by starting its helper process and nothing more. */
export async function examineRungs(directories: Omit<HelperSurroundings, "streams">, options: IOOptions = {}): Promise<readonly RungReport[]> {
  return await Promise.all(LADDER.map((driver) => examineRung(driver, { ...directories, streams: [0, 1, 2] }, options)));
}

async function examineRung(driver: SandboxDriver, surroundings: HelperSurroundings, options: IOOptions): Promise<RungReport> {
  const { name, isolation } = driver;
  const known = { name, isolation, mounts: driver.snapshot === "overlay" };
  try {
    checkCommonNeeds(surroundings.directory);
    const { helper, failed } = await tryHelper(driver, surroundings, options);
    if (helper === undefined) return { ...known, works: false, losses: [], failed };
    await helper[Symbol.asyncDispose]();
    const passedOver = driver.passedOver?.();
    const { way, ids, losses, fileCapabilities, readonlyMounts, secretsInMemory } = helper;
    const found = { way, ids, powers: { fileCapabilities, readonlyMounts, secretsInMemory }, losses, failed };
    return { ...known, works: true, ...found, ...(passedOver === undefined ? {} : { passedOver }) };
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof VarveError)) throw error;
    const reason = [error.message, ...error.details].join(": ");
    return { ...known, works: false, losses: [], failed: [{ reason, ...(error.hint === undefined ? {} : { remedy: error.hint }) }] };
  }
}
