import { setTimeout as sleep } from "node:timers/promises";
import { VarveError } from "@varve/errors";

/** How failures that may pass are met. Delays are full jitter: random between 0 and `base * 2^n`, at most `longest`. */
export interface RetryPolicy {
  /** Tries without any progress before the failure is final. */
  readonly tries: number;
  /** Milliseconds. */
  readonly base: number;
  /** Milliseconds; a server that asks for a longer pause (Retry-After) gets it up to `patience`. */
  readonly longest: number;
  /** Milliseconds; when a server asks for a longer pause than this the failure is final. */
  readonly patience: number;
}

/** What varve does unless told otherwise. */
export const DEFAULT_RETRY_POLICY: RetryPolicy = { tries: 6, base: 200, longest: 10_000, patience: 120_000 };

/** A failure that may pass. It never leaves the package: `final` does, when patience ends. */
export class TransientFailure extends Error {
  override readonly name = "TransientFailure";
  readonly final: VarveError;
  /** Milliseconds the server asks to wait. */
  readonly retryAfter: number | undefined;

  constructor(final: VarveError, retryAfter?: number) {
    super(final.message, { cause: final });
    this.final = final;
    this.retryAfter = retryAfter;
  }
}

/** Counts the tries of one operation. */
export interface Retries {
  /** Waits before another try; rethrows what is not transient, and the final error when there were too many tries in a row. */
  pause(error: unknown, signal?: AbortSignal): Promise<void>;
  /** Something came through: the count starts again. */
  progress(): void;
}

/** Starts counting. */
export function createRetries(policy: RetryPolicy): Retries {
  let failures = 0;
  return {
    async pause(error, signal) {
      signal?.throwIfAborted();
      if (!(error instanceof TransientFailure)) throw error;
      failures++;
      const { retryAfter, final } = error;
      if (failures >= policy.tries) throw failures === 1 ? final : withTries(final, failures);
      if (retryAfter !== undefined && retryAfter > policy.patience) throw withPause(final, retryAfter);
      const jitter = Math.random() * Math.min(policy.longest, policy.base * 2 ** (failures - 1));
      await pauseFor((retryAfter ?? 0) + jitter, signal);
    },
    progress() {
      failures = 0;
    },
  };
}

/** Runs `attempt` until it succeeds or fails for good. */
export async function withRetries<T>(policy: RetryPolicy, attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const retries = createRetries(policy);
  for (;;) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      await retries.pause(error, signal);
    }
  }
}

/** Milliseconds a Retry-After header asks for, in seconds or as a date (RFC 9110, section 10.2.3); `undefined` when it says nothing. */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

async function pauseFor(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch (error) {
    // the caller knows its own reason, not the timer's
    signal?.throwIfAborted();
    throw error;
  }
}

function withTries(error: VarveError, tries: number): VarveError {
  return new VarveError(error.code, `${error.message} (${tries} tries)`, { hint: error.hint, cause: error.cause, details: error.details });
}

function withPause(error: VarveError, milliseconds: number): VarveError {
  return new VarveError(error.code, error.message, {
    hint: `the registry asks to wait ${Math.ceil(milliseconds / 1000)} s; try again then`,
    cause: error.cause,
    details: error.details,
  });
}
