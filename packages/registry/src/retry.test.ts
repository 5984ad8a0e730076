import { VarveError } from "@varve/errors";
import { describe, expect, it } from "vitest";
import { createRetries, DEFAULT_RETRY_POLICY, parseRetryAfter, TransientFailure, withRetries } from "./retry.ts";

const POLICY = { ...DEFAULT_RETRY_POLICY, base: 1, longest: 2 };
const FINAL = new VarveError("REGISTRY_UNAVAILABLE", "busy");

describe("withRetries", () => {
  it("tries again until it succeeds", async () => {
    let tries = 0;
    const result = await withRetries(POLICY, async () => {
      if (++tries < 4) throw new TransientFailure(FINAL);
      return "done";
    });
    expect([result, tries]).toEqual(["done", 4]);
  });

  it("ends with the final error and says how often it tried", async () => {
    let tries = 0;
    const failing = withRetries(POLICY, async () => {
      tries++;
      throw new TransientFailure(FINAL);
    });
    await expect(failing).rejects.toMatchObject({ code: "REGISTRY_UNAVAILABLE", message: "busy (6 tries)" });
    expect(tries).toBe(POLICY.tries);
  });

  it("does not repeat what is final", async () => {
    let tries = 0;
    const failing = withRetries(POLICY, async () => {
      tries++;
      throw FINAL;
    });
    await expect(failing).rejects.toBe(FINAL);
    expect(tries).toBe(1);
  });

  it("begins to count again after progress", async () => {
    const retries = createRetries({ ...POLICY, tries: 2 });
    for (let i = 0; i < 5; i++) {
      await retries.pause(new TransientFailure(FINAL));
      retries.progress();
    }
    await retries.pause(new TransientFailure(FINAL));
    await expect(retries.pause(new TransientFailure(FINAL))).rejects.toMatchObject({ code: "REGISTRY_UNAVAILABLE" });
  });

  it("does not wait longer than patience allows", async () => {
    const retries = createRetries(POLICY);
    await expect(retries.pause(new TransientFailure(FINAL, POLICY.patience + 1))).rejects.toMatchObject({ hint: expect.stringContaining("121 s") });
  });

  it("stops waiting when aborted, with the caller's reason", async () => {
    const reason = new Error("enough");
    const controller = new AbortController();
    const waiting = createRetries(POLICY).pause(new TransientFailure(FINAL, 60_000), controller.signal);
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });
});

describe("parseRetryAfter", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  it.each<[string | undefined, number | undefined]>([
    [undefined, undefined],
    ["3", 3000],
    [" 0 ", 0],
    ["Thu, 01 Jan 2026 00:00:05 GMT", 5000],
    ["Wed, 31 Dec 2025 23:59:59 GMT", 0],
    ["soon", undefined],
    ["", undefined],
  ])("%s", (header, expected) => {
    expect(parseRetryAfter(header, now)).toBe(expected);
  });
});
