import type { Duplex } from "node:stream";
import type { ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type Credit, createCredit } from "./credit.ts";
import { decodeError, encodeError } from "./channel-error.ts";
import { createFrameDecoder, encodeFrame, FRAME } from "./frame.ts";
import { createInbox, type Inbox } from "./inbox.ts";

/** How a call is made. */
export interface CallOptions {
  /** Sent after the call; consumed as the other side reads it. */
  readonly input?: ByteStream;
  /** Called in order with what the other side puts out; awaited before more is asked for. */
  readonly onOutput?: (stream: number, chunk: Uint8Array) => void | Promise<void>;
  readonly signal?: AbortSignal | undefined;
}

/** A call as its handler sees it. */
export interface IncomingCall {
  readonly method: string;
  readonly params: unknown;
  readonly input: ByteStream;
  /** Aborted when the caller gives up or is gone. */
  readonly signal: AbortSignal;
  readonly output: (stream: number, chunk: Uint8Array) => Promise<void>;
}

/** Many calls, each with byte streams of their own, over one socket. */
export interface Channel {
  call(method: string, params: unknown, options?: CallOptions): Promise<unknown>;
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>;
  close(): void;
}

interface OpenCall {
  readonly credit: Credit;
  readonly inbox: Inbox;
  settle?(outcome: { readonly value?: unknown; readonly error?: Error }): void;
  readonly abort?: AbortController;
}

/** Speaks over `socket`; `handler` answers the calls of the other side. */
export function createChannel(socket: Duplex, handler?: (call: IncomingCall) => Promise<unknown>): Channel {
  const calls = new Map<number, OpenCall>();
  const decoder = createFrameDecoder();
  let nextCall = 1;
  let over: Error | undefined;

  let corked = false;
  const send = (kind: number, call: number, payload: Uint8Array): void => {
    if (over !== undefined || socket.writableEnded || socket.destroyed) return;
    // frames of one turn go out together
    if (!corked) {
      corked = true;
      socket.cork();
      process.nextTick(() => {
        corked = false;
        socket.uncork();
      });
    }
    for (const piece of encodeFrame({ kind, call, payload })) if (piece.length > 0) socket.write(piece);
  };
  const sendJson = (kind: number, call: number, value: unknown): void => send(kind, call, Buffer.from(JSON.stringify(value ?? null)));
  const sendData = async (id: number, open: OpenCall, stream: number, chunk: Uint8Array): Promise<void> => {
    for (let at = 0; at < chunk.length; at += MAX_DATA) {
      const piece = chunk.subarray(at, at + MAX_DATA);
      await open.credit.take(piece.length);
      send(FRAME.data, id, Buffer.concat([Uint8Array.of(stream), piece]));
    }
  };
  const credit = (id: number, size: number): void => {
    const payload = Buffer.alloc(4);
    payload.writeUInt32LE(size);
    send(FRAME.credit, id, payload);
  };

  const answer = async (id: number, request: { method: string; params: unknown }): Promise<void> => {
    const abort = new AbortController();
    const open: OpenCall = { credit: createCredit(), inbox: createInbox((size) => credit(id, size)), abort };
    calls.set(id, open);
    try {
      if (handler === undefined) throw new Error("no calls are answered here");
      const value = await handler({
        method: request.method,
        params: request.params,
        input: open.inbox.stream(),
        signal: abort.signal,
        output: (stream, chunk) => sendData(id, open, stream, chunk),
      });
      sendJson(FRAME.result, id, value);
    } catch (error) {
      sendJson(FRAME.error, id, encodeError(error));
    } finally {
      calls.delete(id);
    }
  };

  const receive = (kind: number, id: number, payload: Uint8Array): void => {
    if (kind === FRAME.call) {
      void answer(id, JSON.parse(Buffer.from(payload).toString()) as { method: string; params: unknown });
      return;
    }
    const open = calls.get(id);
    // what arrives for a call that is over was on its way when it ended
    if (open === undefined) return;
    if (kind === FRAME.data) open.inbox.push(payload[0] ?? 0, payload.subarray(1));
    else if (kind === FRAME.end) open.inbox.end();
    else if (kind === FRAME.credit) open.credit.give(Buffer.from(payload).readUInt32LE());
    else if (kind === FRAME.cancel) {
      const reason = new VarveError("SANDBOX_HELPER_FAILED", "the caller gave up");
      open.abort?.abort(reason);
      open.credit.close(reason);
    } else if (kind === FRAME.result) open.settle?.({ value: JSON.parse(Buffer.from(payload).toString()) });
    else if (kind === FRAME.error) open.settle?.({ error: decodeError(JSON.parse(Buffer.from(payload).toString())) });
  };

  const fail = (reason: Error): void => {
    if (over !== undefined) return;
    over = reason;
    for (const open of calls.values()) {
      open.abort?.abort(reason);
      open.credit.close(reason);
      open.inbox.fail(reason);
      open.settle?.({ error: reason });
    }
    calls.clear();
  };
  const closed = new Promise<void>((resolve) => {
    socket.once("close", () => {
      fail(new VarveError("SANDBOX_HELPER_FAILED", "the helper process stopped"));
      resolve();
    });
  });
  socket.on("error", (error) => fail(new VarveError("SANDBOX_HELPER_FAILED", "the helper process stopped", { cause: error })));
  socket.on("end", () => socket.destroy());
  socket.on("data", (chunk: Uint8Array) => {
    for (const frame of decoder.push(chunk)) receive(frame.kind, frame.call, frame.payload);
  });

  return {
    closed,
    close: () => socket.destroy(),
    async call(method, params, options = {}) {
      options.signal?.throwIfAborted();
      if (over !== undefined) throw over;
      const id = nextCall++;
      const inbox = createInbox((size) => credit(id, size));
      let settle: NonNullable<OpenCall["settle"]> = () => {};
      const outcome = new Promise<unknown>((resolve, reject) => {
        settle = ({ value, error }) => (error === undefined ? resolve(value) : reject(error));
      });
      const open: OpenCall = { credit: createCredit(), inbox, settle: (end) => settle(end) };
      calls.set(id, open);
      const cancel = (): void => {
        send(FRAME.cancel, id, new Uint8Array());
        settle({ error: options.signal?.reason as Error });
      };
      options.signal?.addEventListener("abort", cancel, { once: true });
      sendJson(FRAME.call, id, { method, params });
      const feeding =
        options.input === undefined
          ? Promise.resolve()
          : feed(
              options.input,
              (chunk) => sendData(id, open, 0, chunk),
              () => send(FRAME.end, id, new Uint8Array()),
            );
      const draining = inbox.drain(options.onOutput ?? (() => {}));
      // a failing input or consumer ends the call; its own error is the one to tell
      feeding.catch((error: unknown) => (send(FRAME.cancel, id, new Uint8Array()), settle({ error: error as Error })));
      draining.catch((error: unknown) => (send(FRAME.cancel, id, new Uint8Array()), settle({ error: error as Error })));
      try {
        const value = await outcome;
        inbox.end();
        await draining;
        return value;
      } finally {
        options.signal?.removeEventListener("abort", cancel);
        calls.delete(id);
        open.credit.close(new VarveError("SANDBOX_HELPER_FAILED", "the call is over"));
        inbox.end();
        await feeding.catch(() => {});
      }
    },
  };
}

/** Pieces are cut so that calls take turns on the socket. */
const MAX_DATA = 64 * 1024;

async function feed(input: ByteStream, write: (chunk: Uint8Array) => Promise<void>, end: () => void): Promise<void> {
  for await (const chunk of input) await write(chunk);
  end();
}
