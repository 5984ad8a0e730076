import type { ByteStream } from "@varve/bytes";
import type { Channel } from "./channel.ts";

/** What a call puts out, as a stream. The call is made when the stream is first asked, and given up when the stream is left. */
export async function* outputOf(channel: Channel, method: string, params: unknown, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  const left = new AbortController();
  let arrived: { readonly chunk: Uint8Array; readonly taken: () => void } | undefined;
  let wake: () => void = () => {};
  let over = false;
  let failure: { readonly error: unknown } | undefined;
  const call = channel.call(method, params, {
    signal: signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]),
    onOutput: (_stream, chunk) =>
      new Promise<void>((taken) => {
        arrived = { chunk, taken };
        wake();
      }),
  });
  call.then(
    () => ((over = true), wake()),
    (error: unknown) => ((failure = { error }), wake()),
  );
  try {
    for (;;) {
      if (arrived !== undefined) {
        const { chunk, taken } = arrived;
        arrived = undefined;
        yield chunk;
        taken();
      } else if (failure !== undefined) throw failure.error;
      else if (over) return;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    left.abort(new Error("the reader left"));
    (arrived as { readonly taken: () => void } | undefined)?.taken();
    await call.catch(() => {});
  }
}

/** The JSON lines of a stream. */
export async function* jsonLines(stream: ByteStream): AsyncGenerator<unknown, void, undefined> {
  const pieces: Uint8Array[] = [];
  for await (const chunk of stream) {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      pieces.push(chunk.subarray(from, end));
      yield JSON.parse(Buffer.concat(pieces.splice(0)).toString());
      from = end + 1;
    }
    if (from < chunk.length) pieces.push(chunk.subarray(from));
  }
}
