import type { ProgressRenderer } from "./plain.ts";

/** One JSON object an event and line; output chunks are base64 in `data`. */
export function createRawJsonProgress(write: (text: string) => void): ProgressRenderer {
  return {
    onProgress(event) {
      if (event.type === "step-output") {
        const { chunk, ...rest } = event;
        write(`${JSON.stringify({ ...rest, data: Buffer.from(chunk).toString("base64") })}\n`);
      } else write(`${JSON.stringify(event)}\n`);
    },
    close() {},
  };
}
