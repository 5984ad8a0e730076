import type { Session } from "../session.ts";
import { createPlainProgress, type ProgressRenderer } from "./plain.ts";
import { createRawJsonProgress } from "./raw-json.ts";
import { createTtyProgress } from "./tty.ts";

/** `--progress`. */
export type ProgressMode = "auto" | "plain" | "tty" | "rawjson" | "quiet";

/** The renderer a mode means; all write to stderr, secrets redacted. */
export function createProgress(mode: ProgressMode, session: Session): ProgressRenderer {
  const { say, debug } = session;
  switch (mode) {
    case "quiet":
      return { onProgress() {}, close() {} };
    case "rawjson":
      return createRawJsonProgress(say, (bytes) => session.redactor.redactBytes(bytes));
    case "tty":
      return createTtyProgress({ write: say, columns: () => process.stderr.columns ?? 80, rows: () => process.stderr.rows ?? 24, debug });
    case "plain":
      return createPlainProgress(say, debug);
    case "auto":
      return createProgress(process.stderr.isTTY && session.env["TERM"] !== "dumb" ? "tty" : "plain", session);
  }
}
